/**
 * A rehearsal: the same action once undisturbed and once with its session killed between steps, and a comparison of what came of both.
 * It shows an author whether the action replays well: whether each step stands for itself, and keys are the same on every entry of `run`.
 */
import type { RecordEntry, Registry } from '../registry/registry.ts';
import type { SessionSupervisor } from '../supervisor/supervisor.ts';
import type { RunOutcome, RunProgress } from './outcome.ts';
import type { RunOptions } from './run-options.ts';

/** Far below the limit on restarts, beyond which a run gives up. */
const MOST_KILLS = 5;
const DIFFERENCES_TOLD = 5;

export interface Rehearsal {
  /** Of the run whose sessions were killed. */
  readonly outcome: RunOutcome;
  readonly kills: number;
  /** Empty where the action replays well; else the first few, in words. */
  readonly differences: readonly string[];
}

/**
 * Does the work of `undisturbed` once more under `registry`, while its session is killed, and compares. `runAgain` runs the same action with
 * the same parameters and the options given. The second run leaves no files and no row.
 */
export async function rehearse(
  undisturbed: RunOutcome,
  registry: Registry,
  runAgain: (options: Pick<RunOptions, 'onSession' | 'onProgress' | 'output'>) => Promise<RunOutcome>,
): Promise<Rehearsal> {
  const killer = new SessionKiller(undisturbed.counts.done);
  const { onSession, onProgress } = killer;
  const disturbed = await runAgain({ onSession, onProgress, output: false });
  const differences = await compareRuns(registry, { undisturbed, disturbed });
  await registry.runs.remove(disturbed.runId);
  return { outcome: disturbed, kills: killer.kills, differences };
}

/** Kills the run's session after so many finished steps, evenly over the run, by what ends a browser in earnest. */
class SessionKiller {
  readonly #after: number[];
  #supervisor: SessionSupervisor | undefined;
  kills = 0;

  /** `steps` is what the undisturbed run finished. */
  constructor(steps: number) {
    const kills = Math.min(MOST_KILLS, steps);
    this.#after = Array.from({ length: kills }, (_unused, index) => Math.floor(((index + 1) * steps) / (kills + 1)));
  }

  /** The first session is the run's own; those of batches are left alone. */
  readonly onSession = (supervisor: SessionSupervisor): void => {
    this.#supervisor ??= supervisor;
  };

  readonly onProgress = ({ counts }: RunProgress): void => {
    const [next] = this.#after;
    const supervisor = this.#supervisor;
    if (next === undefined || supervisor?.state !== 'alive' || counts.done < next) return;
    this.#after.shift();
    this.kills += 1;
    const { browser } = supervisor.pids;
    if (browser !== undefined && supervisor.driverFolder !== undefined) process.kill(browser, 'SIGKILL');
    // A browser behind somebody's endpoint is out of reach; its session is not.
    else
      supervisor.declareDeath({ cause: 'session-removed', detectedBy: 'command', message: 'ended by the rehearsal' });
  };
}

/** What is different between the data of two runs, in words. */
async function compareRuns(
  registry: Registry,
  { undisturbed, disturbed }: { readonly undisturbed: RunOutcome; readonly disturbed: RunOutcome },
): Promise<string[]> {
  const differences: string[] = [];
  if (disturbed.status !== undisturbed.status)
    differences.push(`the undisturbed run was ${undisturbed.status}, the other one ${disturbed.status}`);
  const before = await Array.fromAsync(registry.runs.listRecords(undisturbed.runId));
  const after = await Array.fromAsync(registry.runs.listRecords(disturbed.runId));
  differences.push(...compareRecords(before, after));
  const more = differences.length - DIFFERENCES_TOLD;
  return more > 0 ? [...differences.slice(0, DIFFERENCES_TOLD), `and ${more} more`] : differences;
}

function compareRecords(before: readonly RecordEntry[], after: readonly RecordEntry[]): string[] {
  const known = new Map(after.map((record) => [nameOf(record), record]));
  const missing = before.filter((record) => !known.has(nameOf(record)));
  const changed = before.filter((record) => {
    const other = known.get(nameOf(record));
    return other !== undefined && other.json !== record.json;
  });
  const expected = new Set(before.map(nameOf));
  const extra = after.filter((record) => !expected.has(nameOf(record)));
  const differences = [
    ...missing.map((record) => `${nameOf(record)} is missing after the deaths`),
    ...extra.map((record) => `${nameOf(record)} is there only after the deaths`),
    ...changed.map(
      (record) => `${nameOf(record)} is ${record.json}, and after the deaths ${known.get(nameOf(record))?.json}`,
    ),
  ];
  const isSameOrder = before.every((record, index) => {
    const other = after[index];
    return other !== undefined && nameOf(other) === nameOf(record);
  });
  return differences.length === 0 && !isSameOrder ? ['the records are the same, in another order'] : differences;
}

function nameOf({ dataset, key }: RecordEntry): string {
  return `record "${key}"${dataset === 'records' ? '' : ` of ${dataset}`}`;
}
