/** Which steps the deaths of sessions are counted at, and when a step is given up because of them. */
import type { SessionDeathError } from '../../supervisor/supervisor.ts';
import type { Ledger, LedgerEntry } from '../replay/ledger.ts';
import { PoisonedStepError } from './step-errors.ts';

/**
 * A step during which this many sessions died is not tried again. If sessions die during other steps too, the machine is the more likely
 * reason, and each such death allows one more.
 */
const POISON_DEATHS = 3;
/** An item that shares its session with others is one suspect of several, and is not given up for what a neighbour did. */
const SHARED_POISON_DEATHS = 6;

export class StepDeaths {
  readonly #ledger: Ledger;
  readonly #givesUpSteps: boolean;
  /** Step -> the deaths that were counted at one of its parts. */
  readonly #within = new Map<string, Set<SessionDeathError['death']>>();

  constructor(ledger: Ledger, { givesUpSteps = true }: { readonly givesUpSteps?: boolean }) {
    this.#ledger = ledger;
    this.#givesUpSteps = givesUpSteps;
  }

  /** A session died while the step ran. Throws {@link PoisonedStepError} if that was once too often. */
  count(entry: LedgerEntry, error: SessionDeathError, { isAlone }: { readonly isAlone: boolean }): void {
    const ledger = this.#ledger;
    for (let name = entry.id.within; name !== undefined; name = ledger.get(name)?.id.within)
      this.#within.set(name, (this.#within.get(name) ?? new Set()).add(error.death));
    const limit = isAlone ? POISON_DEATHS : SHARED_POISON_DEATHS;
    if (ledger.countDeath(entry, error.death) < limit + ledger.deathsElsewhere(entry) || !this.#givesUpSteps) return;
    ledger.blame(entry);
    throw new PoisonedStepError(entry, error);
  }

  /** Whether the death is counted at a part of the step: a part is the more likely reason than the step around it. */
  isCountedWithin({ name }: LedgerEntry, { death }: SessionDeathError): boolean {
    return this.#within.get(name)?.has(death) ?? false;
  }
}
