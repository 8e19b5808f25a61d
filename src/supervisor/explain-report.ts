/** Asks for a better explanation of a death before the death is declared. */
import type { DeathReport } from '../model/death.ts';
import { withDeadline } from '../core/abort.ts';
import type { SessionObserver } from './session-observer.ts';

const EXPLAIN_LIMIT_MS = 2_000;

/**
 * Calls `declare` once: at once if `observer` explains nothing, otherwise with the explanation, or with `report` if the explanation fails.
 */
export function explainReport(
  report: DeathReport,
  observer: SessionObserver | undefined,
  declare: (report: DeathReport) => void,
): void {
  const explanation = observer?.explainDeath?.(report);
  if (explanation === undefined) {
    declare(report);
    return;
  }
  withDeadline(explanation, EXPLAIN_LIMIT_MS, 'The explanation of a death').then(declare, () => declare(report));
}
