/**
 * The reports of a run: `report.html` of the whole run, and a page for each recording of a death. Their invariants: a report needs nothing
 * but its file, runs no script, and has no secret; it is made with constant memory, however long the run was; a report that can't be written
 * never fails a run.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { describeError, toError } from '../../core/errors.ts';
import { redactValue } from '../../core/redact.ts';
import type { Registry } from '../../registry/registry.ts';
import type { RunOutcome } from '../outcome.ts';
import type { PlannedRun } from '../run-options.ts';
import { findReports, REPORT_FILE } from './find-reports.ts';
import type { DatasetSample } from './record-sample.ts';
import type { Ledger, LedgerEntry } from '../replay/ledger.ts';
import type { FailedStep, RunReport } from './report-facts.ts';
import { renderRunReport } from './run-report.ts';
import { listUsedSettings } from './used-settings.ts';
import { writeReportFile } from './write-file.ts';

export { renderRecording } from './recording-page.ts';

const MAX_FAILED_STEPS = 50;
const MAX_SESSIONS = 200;

export interface ReportFacts {
  readonly plan: PlannedRun;
  readonly registry: Registry;
  /** The work of this process; undefined if it did none. */
  readonly ledger: Ledger | undefined;
  readonly samples: readonly DatasetSample[];
}

/**
 * Writes the report of a run that has ended into its folder. Returns the outcome with the path of the report, or with a warning. Never
 * rejects.
 */
export async function reportRun(outcome: RunOutcome, facts: ReportFacts): Promise<RunOutcome> {
  const { folder, writesReport } = facts.plan;
  if (!writesReport) return outcome;
  const file = path.join(folder, REPORT_FILE);
  const warn = (warning: string): RunOutcome => ({ ...outcome, warnings: [...outcome.warnings, warning] });
  try {
    const text = renderRunReport(await collect(outcome, facts));
    if (await writeReportFile(file, text)) return { ...outcome, report: file };
    return warn(
      `${file} is not a report of this program, so it was not replaced. Move it away, or switch the report off with --no-report.`,
    );
  } catch (thrown) {
    return warn(`${file} could not be written: ${toError(thrown).message}.`);
  }
}

/** Returns the outcome of a run that was completed earlier with its report, which is written only if there is none. */
export async function reportAgain(outcome: RunOutcome, facts: ReportFacts): Promise<RunOutcome> {
  const { folder, writesReport } = facts.plan;
  const { report } = writesReport ? await findReports(folder) : { report: null };
  // A new report would have no throughput.
  return report === null ? reportRun(outcome, facts) : { ...outcome, report };
}

async function collect(outcome: RunOutcome, { plan, registry, ledger, samples }: ReportFacts): Promise<RunReport> {
  const { runId, folder, resumed, config, asked } = plan;
  const endedAt = new Date().toISOString();
  const throughput = ledger?.timings.throughput;
  const [sessions, { recordings }] = await Promise.all([
    // Without the registry, the report has everything else.
    registry.sessions.list({ run: runId, limit: MAX_SESSIONS }).catch(() => []),
    findReports(folder),
  ]);
  const { target: _target, ...options } = asked.options;
  return {
    outcome,
    startedAt:
      throughput === undefined ? (resumed?.startedAt ?? endedAt) : new Date(throughput.startedMs).toISOString(),
    endedAt: throughput === undefined ? (resumed?.endedAt ?? endedAt) : endedAt,
    isResumed: resumed !== undefined && throughput !== undefined,
    throughput,
    slowest: ledger?.timings.slowest ?? [],
    failedSteps: ledger?.listFailed(MAX_FAILED_STEPS).map(toFailedStep) ?? [],
    sessions,
    samples,
    recordings: new Map(recordings.map(({ at, file }) => [at, toLink(folder, file) ?? file])),
    params: redactValue(asked.params.values) as RunReport['params'],
    options: Object.fromEntries(
      Object.entries({ ...options, ...(plan.recover ? {} : { recover: false }) }).map(([name, value]) => [
        name,
        String(value),
      ]),
    ),
    settings: listUsedSettings(config),
    links: new Map(Object.entries(outcome.outputs).map(([dataset, file]) => [dataset, toLink(folder, file)])),
    next: plan.describeNext(outcome),
    version: readVersion(),
  };
}

function toFailedStep({ id, end }: LedgerEntry): FailedStep {
  // The failures of earlier processes are only in the registry.
  const error =
    end?.status === 'failed' ? describeError(end.error) : { code: '–', message: 'failed before the run was resumed' };
  return { batch: id.batch, key: id.key, ...error };
}

/** Returns the path of a file from the folder of the report as an address; null for a file elsewhere. */
function toLink(folder: string, file: string): string | null {
  const relative = path.relative(folder, file);
  if (relative.startsWith('..') || path.isAbsolute(relative)) return null;
  return relative.split(path.sep).map(encodeURIComponent).join('/');
}

function readVersion(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
