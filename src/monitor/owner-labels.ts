/** Limits the labels of owners. Callers choose number and length of owners, and Prometheus stores a time series for each label. */

/** The label of all owners without a label of their own. */
const OTHERS = 'other';
const MAX_OWNERS = 200;
/** The maximum length of a label in characters. */
const MAX_LABEL_LENGTH = 100;

export interface OwnerLabelsOptions {
  /** If false, all owners have an empty label. */
  readonly isEnabled: boolean;
}

/** Assigns labels to owners. A label stays with its owner until the monitor ends, so that no counter decreases before. */
export class OwnerLabels {
  readonly #isEnabled: boolean;
  readonly #named = new Set<string>();

  constructor({ isEnabled }: OwnerLabelsOptions) {
    this.#isEnabled = isEnabled;
  }

  /**
   * Returns the values by label. If there are too few labels, the owners with the largest values get them. `combine` merges the values of
   * owners that share a label.
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
