/** `sessions cleanup` prints what it would remove, and removes it with `--execute`. It never removes sessions that other processes hold. */
import type { Command } from 'commander';

import { count, describeNumbers, sum } from '../../core/describe-number.ts';
import { LIVE_STATUSES, SESSION_STATUSES } from '../../model/session.ts';
import type { Config } from '../../config/config.ts';
import { makeLog } from '../../core/log.ts';
import type { Registry } from '../../registry/registry.ts';
import { SessionManager } from '../../sessions/sessions.ts';
import { CleanupError, DEFAULT_CLEANUP_POLICY, removalAgeHours } from '../../upkeep/upkeep.ts';
import {
  planCleanup,
  toCleanupRequest,
  type CleanupOptions,
  type CleanupPlan,
  type CleanupRequest,
} from './cleanup-plan.ts';
import { commandLine } from '../terminal/command-line.ts';
import { fail, makeSubcommand, withRegistry } from './registry-commands.ts';
import { isSessionLeft } from './render-session.ts';
import { renderLines } from '../terminal/text-table.ts';
import { printJson, printResult } from '../terminal/terminal.ts';

interface CommandOptions extends CleanupOptions {
  readonly execute?: boolean;
  readonly json?: boolean;
}

export function makeCleanupCommand(): Command {
  return makeSubcommand('sessions', 'cleanup', {
    summary: 'remove sessions that are over; changes nothing without --execute',
    example: 'cleanup --completed --older-than 6 --execute',
  })
    .option('--failed', 'all sessions that died or timed out')
    .option('--completed', 'all sessions that ended normally or expired')
    .option('--all', 'dangerous: the whole history, of any age')
    .option('--older-than <hours>', 'only sessions that have been over for longer; with --completed, or alone')
    .option('--execute', 'make these changes')
    .addHelpText(
      'after',
      `\nWithout a choice it follows the policy: it removes sessions that died or timed out over ${DEFAULT_CLEANUP_POLICY.failedHours} h ago,\n` +
        `and those that ended or expired over ${DEFAULT_CLEANUP_POLICY.endedHours} h ago.`,
    )
    .action((options: CommandOptions) =>
      withRegistry(async (registry, config) => {
        const request = toCleanupRequest(options);
        const plan = await planCleanup(registry, request);
        const { execute = false, json = false } = options;
        if (!execute) printPlan(request, plan, json);
        else await cleanUp(registry, request, { plan, config, json });
      }),
    );
}

function printPlan({ kind, words }: CleanupRequest, plan: CleanupPlan, json: boolean): void {
  const command = commandLine('sessions', `${words} --execute`);
  if (json) {
    printJson({ isExecuted: false, kind, ...plan, command });
    return;
  }
  const { gone, lapsed } = plan.close;
  const { unreleased } = plan;
  const removed = sum(plan.remove);
  const isNothing = removed + gone + lapsed + unreleased + plan.damaged.length === 0;
  const lines = [
    ...(kind === 'all'
      ? ['--all is dangerous: it removes the whole history of sessions, also those that died a moment ago. Runs stay.']
      : []),
    removed === 0
      ? 'There is nothing to remove.'
      : `Would remove ${count(removed, 'session')}: ${describeNumbers(plan.remove, SESSION_STATUSES)}.`,
    ...(gone === 0 ? [] : [`Would close ${count(gone, 'session')} whose process is gone.`]),
    ...(lapsed === 0 ? [] : [`Would close ${count(lapsed, 'session')} whose lease is not renewed.`]),
    ...(unreleased === 0 ? [] : [`Would end ${count(unreleased, 'session')} that a Grid or driver may still have.`]),
    ...(plan.damaged.length === 0
      ? []
      : [
          `Would repair ${count(plan.damaged.length, 'damaged row')}${kind === 'policy' ? ', and remove those that have been over for long enough' : ''}.`,
        ]),
    ...(sum(plan.keep) === 0 ? [] : [`Would keep ${describeNumbers(plan.keep, SESSION_STATUSES)}.`]),
    ...(isNothing ? [] : ['', 'Nothing is changed yet. To do it:', `  ${command}`]),
  ];
  printResult(renderLines(lines));
}

async function cleanUp(
  registry: Registry,
  request: CleanupRequest,
  { plan, config, json }: { readonly plan: CleanupPlan; readonly config: Config; readonly json: boolean },
): Promise<void> {
  // Opening the manager closes the sessions whose process is gone.
  await using manager = await SessionManager.open({
    registry,
    config,
    log: makeLog({ level: 'warn', format: config.logFormat }),
  });
  const left = (await registry.sessions.list({ status: LIVE_STATUSES })).filter(isSessionLeft).length;
  const atEndpoints = await manager.endUnreleased();
  let done: { readonly removed: number; readonly lapsed: number };
  let mended = 0;
  try {
    for (const id of plan.damaged) if ((await manager.recoverCorrupted(id)) === 'dead') mended += 1;
    done = await clean(manager, request);
  } catch (thrown) {
    if (!(thrown instanceof CleanupError)) throw thrown;
    fail(thrown.message);
    return;
  }
  const closed = Math.max(0, plan.close.gone - left) + done.lapsed;
  if (json) {
    printJson({ isExecuted: true, kind: request.kind, removed: done.removed, closed, mended, atEndpoints });
    return;
  }
  const isAsPlanned = done.removed === sum(plan.remove) && done.removed > 0;
  const which = isAsPlanned ? `: ${describeNumbers(plan.remove, SESSION_STATUSES)}` : '';
  const lines = [
    `Removed ${count(done.removed, 'session')}${which}.`,
    ...(closed === 0 ? [] : [`Closed ${count(closed, 'session')} that no process holds any more.`]),
    ...(mended === 0 ? [] : [`Repaired ${count(mended, 'damaged row')}.`]),
    ...(atEndpoints.ended === 0
      ? []
      : [`Ended ${count(atEndpoints.ended, 'session')} that a Grid or driver still had.`]),
    ...(atEndpoints.left === 0
      ? []
      : [
          `${count(atEndpoints.left, 'session')} could not be ended at the Grid or driver; the warnings above tell why.`,
        ]),
  ];
  printResult(renderLines(lines));
}

async function clean(
  manager: SessionManager,
  request: CleanupRequest,
): Promise<{ readonly removed: number; readonly lapsed: number }> {
  const { kind } = request;
  if (kind === 'all') return { removed: await manager.dangerouslyCleanupAll(), lapsed: 0 };
  const lapsed = kind === 'policy' ? await manager.cleanupInactiveSessions(0) : 0;
  const failedHours = removalAgeHours('dead', request);
  const endedHours = removalAgeHours('ended', request);
  let removed = 0;
  if (failedHours !== undefined) removed += await manager.cleanupFailed({ olderThanHours: failedHours });
  if (endedHours !== undefined) removed += await manager.cleanupCompleted({ olderThanHours: endedHours });
  return { removed, lapsed };
}
