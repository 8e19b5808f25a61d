/** Counts the deaths of sessions per step, and gives up a step after too many of them. */
import type { SessionDeathError } from '../../supervisor/supervisor.ts';
import type { Ledger, LedgerEntry } from '../replay/ledger.ts';
import { PoisonedStepError } from '../errors.ts';

/**
 * The number of deaths after which a step is not tried again. If sessions die during other steps, too, the machine is the more likely
 * reason, and each such death raises the limit by one.
 */
const MAX_DEATHS = 3;
/** The same limit for an item that shares its session with others. It is higher, because another item may be the reason. */
const MAX_DEATHS_SHARED = 6;

export class StepDeaths {
  readonly #ledger: Ledger;
  readonly #givesUpSteps: boolean;
  /** Step -> the deaths that were counted at one of its parts. */
  readonly #within = new Map<string, Set<SessionDeathError['death']>>();

  constructor(ledger: Ledger, { givesUpSteps = true }: { readonly givesUpSteps?: boolean }) {
    this.#ledger = ledger;
    this.#givesUpSteps = givesUpSteps;
  }

  /**
   * Counts the death of a session on which the step ran. `isAlone` is false if other items used the session too. Throws
   * {@link PoisonedStepError} if the limit is reached.
   */
  count(entry: LedgerEntry, error: SessionDeathError, { isAlone }: { readonly isAlone: boolean }): void {
    const ledger = this.#ledger;
    for (let name = entry.id.within; name !== undefined; name = ledger.get(name)?.id.within)
      this.#within.set(name, (this.#within.get(name) ?? new Set()).add(error.death));
    const limit = isAlone ? MAX_DEATHS : MAX_DEATHS_SHARED;
    if (ledger.countDeath(entry, error.death) < limit + ledger.deathsElsewhere(entry) || !this.#givesUpSteps) return;
    ledger.blame(entry);
    throw new PoisonedStepError(entry, error);
  }

  /** Returns whether the death is counted at a part of the step, which is a more likely reason than the step around it. */
  isCountedWithin({ name }: LedgerEntry, { death }: SessionDeathError): boolean {
    return this.#within.get(name)?.has(death) ?? false;
  }
}
