/** Whoever knows of reasons behind the reported one is asked before a death is declared. */
import type { DeathReport } from '../model/death.ts';
import { withDeadline } from '../core/abort.ts';
import type { SupervisorOptions } from './options.ts';

const EXPLAIN_LIMIT_MS = 2_000;

/** Calls `declare` once: at once if there is nothing to explain, otherwise with the explanation, or with the report if that fails. */
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
