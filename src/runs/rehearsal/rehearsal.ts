/**
 * A rehearsal does the work of an action again while sessions are killed at chosen positions, and compares the data with those of an
 * undisturbed run. It shows the author of an action whether the action replays well: whether each step is independent of the others, and
 * whether keys are the same on each entry of `run`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import type { ErrorReport } from '../../core/errors.ts';
import { loadConfig } from '../../config/config.ts';
import type { Registry } from '../../registry/registry.ts';
import type { Action } from '../define-action.ts';
import type { RunOutcome } from '../outcome.ts';
import type { RunOptions } from '../run-options.ts';
import { compareRuns } from './compare-runs.ts';
import { planKills, type RehearsalScope } from './plan-kills.ts';
import { WatchedRun } from './watched-run.ts';

/** The number of restarts that are allowed for deaths that the rehearsal does not cause. */
const SPARE_RESTARTS = 10;
const RESTART_WINDOW_MS = 86_400_000;

export interface Rehearsal {
  /** The outcome of the disturbed run. If the undisturbed run did not complete, its outcome. */
  readonly outcome: RunOutcome;
  readonly kills: number;
  /**
   * The positions at which sessions were killed, such as `in the step "page 3" after its 2nd command`. They are the same on each
   * rehearsal; only the order of concurrent items can differ.
   */
  readonly killedAt: readonly string[];
  /** The positions of planned kills that the disturbed run did not reach. */
  readonly notReached: readonly string[];
  /** The differences from the undisturbed run, one sentence each, with the kill and a likely reason. Empty if the action replays well. */
  readonly differences: readonly string[];
  /** `error`, `warnings` and `repeatedEffects` are those of `outcome`. */
  readonly error: ErrorReport | null;
  readonly warnings: readonly string[];
  readonly repeatedEffects: readonly string[];
}

export interface RehearsalOptions extends Omit<RunOptions, 'resume' | 'redo' | 'recover'> {
  /** `some`: about five kills, spread over the run. `all`: each step and item is disturbed once. @default 'some' */
  readonly scope?: RehearsalScope;
}

/** A rehearsal with the outcome of the run that it is compared with. */
export interface ActionRehearsal extends Rehearsal {
  readonly undisturbed: RunOutcome;
}

/** Runs an action with these options to its end. */
export type RunForRehearsal = (action: Action, options: RunOptions) => Promise<RunOutcome>;

export interface RehearseOptions {
  readonly scope: RehearsalScope;
  /** The action and the options of the undisturbed run, without the wrappers of `watched`. */
  readonly action: Action;
  readonly options: RunOptions;
  readonly registry: Registry;
  /** The observations of the undisturbed run. */
  readonly watched: WatchedRun;
  readonly run: RunForRehearsal;
}

/** Logs a warning if the action declares `effects: 'writes'`, because a rehearsal does its work several times. */
export function warnOfEffects({ name, effects }: Action, { log }: RunOptions): void {
  if (effects !== 'writes') return;
  log?.warn(
    `${name} changes things (effects: 'writes'), and a rehearsal does its work at least twice. Use it only against a test system`,
  );
}

/**
 * Does the work of the run `undisturbed` again, with kills, and compares the data. Removes the files and the row of the disturbed
 * run. If `undisturbed` did not complete, kills nothing and returns that as the only difference.
 */
export async function rehearse(
  undisturbed: RunOutcome,
  { scope, action, options, registry, watched, run }: RehearseOptions,
): Promise<Rehearsal> {
  if (undisturbed.status !== 'completed') return refuse(undisturbed);
  const disturbed = new WatchedRun(planKills(watched.units, scope));
  const outcome = await runDisturbed(disturbed, { action, options, run });
  const differences = await compareRuns(registry, {
    undisturbed: { outcome: undisturbed, watched },
    disturbed: { outcome, watched: disturbed },
  });
  await registry.runs.remove(outcome.runId);
  return toRehearsal(outcome, {
    killedAt: disturbed.kills.map(({ words }) => words),
    notReached: disturbed.notReached.map(({ words }) => words),
    differences,
  });
}

function refuse(outcome: RunOutcome): Rehearsal {
  const { status, error } = outcome;
  const why = error === null ? '.' : `: ${error.code}: ${error.message}`;
  const differences = [`No session was killed, because the run without deaths ended as ${status}${why}`];
  return toRehearsal(outcome, { killedAt: [], notReached: [], differences });
}

function toRehearsal(
  outcome: RunOutcome,
  found: Pick<Rehearsal, 'killedAt' | 'notReached' | 'differences'>,
): Rehearsal {
  const { error, warnings, repeatedEffects } = outcome;
  return { outcome, kills: found.killedAt.length, ...found, error, warnings, repeatedEffects };
}

/** Does the run with the kills. Any number of kills is allowed: they neither give up a step nor halt the run. */
async function runDisturbed(
  disturbed: WatchedRun,
  { action, options, run }: Pick<RehearseOptions, 'action' | 'options' | 'run'>,
): Promise<RunOutcome> {
  const folder = await mkdtemp(path.join(tmpdir(), 'rehearsal-'));
  try {
    const limit = disturbed.notReached.length + SPARE_RESTARTS;
    const supervisor = {
      ...options.supervisor,
      restartLimit: { limit, windowMs: RESTART_WINDOW_MS, firstBackoffMs: 0 },
    };
    // The disturbed run is never resumed, so its browser state need not be stored.
    const config = { ...(options.config ?? loadConfig()), keepsState: false };
    const changes = {
      ...{ config, recover: true, givesUpSteps: false, output: folder },
      ...({ record: 'off', report: false, supervisor } as const),
    };
    const watched = disturbed.watch(action, { ...options, ...changes });
    return await run(watched.action, watched.options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
