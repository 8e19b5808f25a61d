/** Asks for a better explanation of a death before the death is declared. */
import type { DeathReport } from '../model/death.ts';
import { withDeadline } from '../core/abort.ts';
import type { SupervisorOptions } from './options.ts';

const EXPLAIN_LIMIT_MS = 2_000;

/**
 * Calls `declare` once: at once if `explain` returns nothing, otherwise with the explanation, or with `report` if the explanation fails.
 */
export function explainReport(
  report: DeathReport,
  explain: SupervisorOptions['explainDeath'],
  declare: (report: DeathReport) => void,
): void {
  const explanation = explain?.(report);
  if (explanation === undefined) {
    declare(report);
    return;
  }
  withDeadline(explanation, EXPLAIN_LIMIT_MS, 'The explanation of a death').then(declare, () => declare(report));
}
