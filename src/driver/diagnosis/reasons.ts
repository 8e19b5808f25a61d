/**
 * The one table of reasons. The first row that fits a death names its reason. A reason that explains others precedes them: lack of memory
 * ends a browser by a signal, and so does a full folder.
 */
import { NO_DIAGNOSIS, type DeathReason, type DeathReport, type Diagnosis } from '../../model/death.ts';
import type { Facts } from './facts.ts';
import { CRASH_ROWS } from './crash-reasons.ts';
import { MEMORY_ROWS } from './memory-reasons.ts';
import { OUTSIDE_ROWS, STOPPED_ROW } from './outside-reasons.ts';
import { REMOTE_ROWS } from './remote-reasons.ts';
import { RESOURCE_ROWS } from './resource-reasons.ts';
import { LOAD_ROWS, SLEEP_ROW } from './time-reasons.ts';
import type { Row } from './row.ts';

/** Causes that are decisions of this program or of another one, and explain themselves. */
const DECIDED_CAUSES: ReadonlySet<string> = new Set(['lease-lost', 'timed_out']);
/** The number of earlier deaths at a page that make the page a likely reason, if the facts show no other one. */
const MIN_EARLIER_DEATHS_AT_PAGE = 2;

const PAGE_ROW: Row = {
  reason: 'page',
  confidence: 'likely',
  when: ({ report, deathsAtPage }) => report.cause !== 'network-lost' && deathsAtPage >= MIN_EARLIER_DEATHS_AT_PAGE,
  evidence: ({ deathsAtPage, url }) => [
    `${deathsAtPage + 1} sessions died at the page ${url}, and nothing else is known`,
  ],
  advice: () => 'Open that page by itself, and skip it if it ends the browser again',
};

const ROWS: readonly Row[] = [
  SLEEP_ROW,
  STOPPED_ROW,
  ...REMOTE_ROWS,
  ...MEMORY_ROWS,
  ...RESOURCE_ROWS,
  ...CRASH_ROWS,
  ...OUTSIDE_ROWS,
  ...LOAD_ROWS,
  PAGE_ROW,
];

/** Reasons that a page may have caused. */
const PAGE_REASONS: ReadonlySet<DeathReason> = new Set([
  'out-of-memory',
  'crashed',
  'shared-memory-full',
  'overloaded',
  'page',
]);

/** Returns whether a death may be due to its page. */
export function mayBePage({ cause }: DeathReport, { reason }: Diagnosis): boolean {
  if (PAGE_REASONS.has(reason)) return true;
  return reason === 'unknown' && cause !== 'network-lost' && !DECIDED_CAUSES.has(cause);
}

/** Returns the reason of a death. Pure: the same facts give the same diagnosis. */
export function findReason(facts: Facts): Diagnosis {
  if (DECIDED_CAUSES.has(facts.report.cause)) return NO_DIAGNOSIS;
  const row = ROWS.find(({ when }) => when(facts));
  if (row === undefined) return NO_DIAGNOSIS;
  const { reason, confidence } = row;
  const evidence = row.evidence(facts).filter((line) => line !== undefined);
  if (reason !== 'page' && PAGE_REASONS.has(reason) && facts.deathsAtPage > 0)
    evidence.push(`it is death ${facts.deathsAtPage + 1} at the page ${facts.url}`);
  return { reason, confidence, evidence, advice: `${row.advice(facts)}.` };
}
