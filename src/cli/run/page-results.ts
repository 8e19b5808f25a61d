/** The results of a smoke test, as its reports need them. */
import { count } from '../../core/describe-number.ts';
import type { FoundReports } from '../../runs/runs.ts';
import type { Death } from '../../model/death.ts';

/** The fields of a record of the dataset `smoke` that reports need. */
export interface PageResult {
  readonly url: string;
  readonly passed: boolean;
  readonly problems: readonly string[];
  readonly loadMs: number | null;
  readonly screenshot: string | null;
  /** The number of times that the page was checked. */
  readonly attempts: number;
}

/** The facts about the whole smoke test. */
export interface SmokeFacts {
  readonly startedAt: Date;
  readonly durationMs: number;
  /** The deaths that the test survived, and the one that ended it. */
  readonly deaths: readonly Death[];
  /** The recordings of the last seconds before deaths, by the time of the death. */
  readonly recordings: FoundReports['recordings'];
  /** Pages that were not checked, and the reason. They count as errors, not as failures. */
  readonly unchecked: { readonly urls: readonly string[]; readonly reason: string };
}

/** `12 pages: 10 ok, 1 failed, 1 not checked`. */
export function describeResults(results: readonly PageResult[], unchecked: readonly string[]): string {
  const failed = results.filter(({ passed }) => !passed).length;
  const parts = [`${results.length - failed} ok`, `${failed} failed`];
  if (unchecked.length > 0) parts.push(`${unchecked.length} not checked`);
  return `${count(results.length + unchecked.length, 'page')}: ${parts.join(', ')}`;
}
