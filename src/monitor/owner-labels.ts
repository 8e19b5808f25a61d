/** Owners are as many as callers like, and as long; each label is a time series in Prometheus, for good. */

/** The label of the owners that have none of their own. */
const OTHERS = 'other';
const MAX_OWNERS = 200;
/** Characters. */
const MAX_LABEL_LENGTH = 100;

export interface OwnerLabelsOptions {
  /** False: all owners have an empty label. */
  readonly isEnabled: boolean;
}

/** An owner that has a label keeps it until the monitor ends, so that no counter goes down before. */
export class OwnerLabels {
  readonly #isEnabled: boolean;
  readonly #named = new Set<string>();

  constructor({ isEnabled }: OwnerLabelsOptions) {
    this.#isEnabled = isEnabled;
  }

  /**
   * Returns the values by label. If there is room for few owners only, those with the largest values get it. `combine` makes one value of
   * those that share a label.
   */
  label(
    values: Readonly<Record<string, number>>,
    combine: (one: number, other: number) => number,
  ): ReadonlyMap<string, number> {
    const byLabel = new Map<string, number>();
    for (const [owner, value] of Object.entries(values).toSorted(([, one], [, other]) => other - one)) {
      const label = this.#labelOf(owner);
      const earlier = byLabel.get(label);
      byLabel.set(label, earlier === undefined ? value : combine(earlier, value));
    }
    return byLabel;
  }

  #labelOf(owner: string): string {
    if (!this.#isEnabled || owner === '') return '';
    const characters = Array.from(owner);
    const label =
      characters.length > MAX_LABEL_LENGTH ? `${characters.slice(0, MAX_LABEL_LENGTH - 1).join('')}…` : owner;
    if (this.#named.size < MAX_OWNERS) this.#named.add(label);
    return this.#named.has(label) ? label : OTHERS;
  }
}
