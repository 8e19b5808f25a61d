/**
 * A rehearsal does the work of an action again while sessions are killed at chosen positions, and compares the data with those of an
 * undisturbed run. It shows the author of an action whether the action replays well: whether each step stands for itself, and whether
 * keys are the same on each entry of `run`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import type { ErrorReport } from '../../core/errors.ts';
import type { Registry } from '../../registry/registry.ts';
import type { Action } from '../define-action.ts';
import type { RunOutcome } from '../outcome.ts';
import type { RunOptions } from '../run-options.ts';
import { compareRuns } from './compare-runs.ts';
import { planKills, type PlannedKill, type RehearsalScope } from './plan.ts';
import { WatchedRun } from './watched-run.ts';

/** One run takes all kills, unless a step would be given up for the number of its deaths. Each further run makes a kill at least. */
const MAX_RUNS = 20;
/** Restarts that are left for deaths of other reasons. */
const SPARE_RESTARTS = 10;
const RESTART_WINDOW_MS = 86_400_000;

export interface Rehearsal {
  /** The outcome of the disturbed run. Of several, that of the first one whose data differ, otherwise of the last one. */
  readonly outcome: RunOutcome;
  /** The number of disturbed runs. Several are needed if one run would have to kill the same step too often. */
  readonly runs: number;
  readonly kills: number;
  /**
   * Where sessions were killed, in words, such as `in the step "page 3" after its 2nd command`. The positions are the same on each
   * rehearsal; only items that run at the same time can change places.
   */
  readonly killedAt: readonly string[];
  /** Where a kill was planned and none was made, because no disturbed run came there. */
  readonly notReached: readonly string[];
  /** What is different from the undisturbed run, one sentence each, with the kill and a likely reason. Empty if the action replays well. */
  readonly differences: readonly string[];
  /** The error of `outcome`. */
  readonly error: ErrorReport | null;
  /** The warnings of all disturbed runs. */
  readonly warnings: readonly string[];
  /** The repeated effects of all disturbed runs. */
  readonly repeatedEffects: readonly string[];
}

/** Runs an action with these options to its end. */
export type RunForRehearsal = (action: Action, options: RunOptions) => Promise<RunOutcome>;

export interface RehearseOptions {
  readonly scope: RehearsalScope;
  /** The action and the options of the undisturbed run, before they were watched. */
  readonly action: Action;
  readonly options: RunOptions;
  readonly registry: Registry;
  /** What watched the undisturbed run. */
  readonly watched: WatchedRun;
  readonly run: RunForRehearsal;
}

/** Logs that the work of an action that changes things is about to be done several times. */
export function warnOfEffects({ name, effects }: Action, { log }: RunOptions): void {
  if (effects !== 'writes') return;
  log?.warn(
    `${name} changes things (effects: 'writes'), and a rehearsal does its work at least twice. Use it against a system for tests only`,
  );
}

/**
 * Does the work of the run `undisturbed` again, with kills, and compares the data. Leaves no files and no rows of the disturbed runs. A
 * run that did not complete cannot be compared; that is then the only difference.
 */
export async function rehearse(
  undisturbed: RunOutcome,
  { scope, action, options, registry, watched, run }: RehearseOptions,
): Promise<Rehearsal> {
  if (undisturbed.status !== 'completed') return refuse(undisturbed);
  const killedAt: string[] = [];
  const warnings = new Set<string>();
  const repeatedEffects = new Set<string>();
  let planned: readonly PlannedKill[] = planKills(watched.units, scope);
  for (let runs = 1; ; runs += 1) {
    const disturbed = new WatchedRun(planned);
    const outcome = await runDisturbed(disturbed, { action, options, run, kills: planned.length });
    const differences = await compareRuns(registry, {
      undisturbed: { outcome: undisturbed, watched },
      disturbed: { outcome, watched: disturbed },
    });
    await registry.runs.remove(outcome.runId);
    killedAt.push(...disturbed.kills.map(({ words }) => words));
    for (const warning of outcome.warnings) warnings.add(warning);
    for (const name of outcome.repeatedEffects) repeatedEffects.add(name);
    planned = disturbed.remaining;
    const isOver = differences.length > 0 || planned.length === 0 || disturbed.kills.length === 0 || runs >= MAX_RUNS;
    if (!isOver) continue;
    return {
      outcome,
      runs,
      kills: killedAt.length,
      killedAt,
      notReached: planned.map(({ words }) => words),
      differences,
      error: outcome.error,
      warnings: [...warnings],
      repeatedEffects: [...repeatedEffects],
    };
  }
}

function refuse(outcome: RunOutcome): Rehearsal {
  const { status, error, warnings, repeatedEffects } = outcome;
  const why = error === null ? '.' : `: ${error.code}: ${error.message}`;
  const differences = [`No session was killed, because the run without deaths ended as ${status}${why}`];
  return { outcome, runs: 0, kills: 0, killedAt: [], notReached: [], differences, error, warnings, repeatedEffects };
}

async function runDisturbed(
  disturbed: WatchedRun,
  { action, options, run, kills }: Pick<RehearseOptions, 'action' | 'options' | 'run'> & { readonly kills: number },
): Promise<RunOutcome> {
  const folder = await mkdtemp(path.join(tmpdir(), 'rehearsal-'));
  try {
    const restartLimit = { limit: kills + SPARE_RESTARTS, windowMs: RESTART_WINDOW_MS, firstBackoffMs: 0 };
    const supervisor = { ...options.supervisor, restartLimit };
    const watched = disturbed.watch(action, { ...options, recover: true, output: folder, supervisor });
    return await run(watched.action, watched.options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
