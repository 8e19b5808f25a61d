/** The `sessions` command: lists and shows live and past browser sessions, ends one, and cleans up. */
import type { Command } from 'commander';

import { nameSession, shortSessionId } from './subjects.ts';
import { type StoredSession, isLive } from '../../model/session.ts';
import type { Config } from '../../config/config.ts';
import { makeLog } from '../../core/log.ts';
import { thisProcess } from '../../driver/driver.ts';
import type { Registry } from '../../registry/registry.ts';
import { SessionManager } from '../../sessions/sessions.ts';
import { commandLine } from '../terminal/command-line.ts';
import {
  fail,
  failToFind,
  findById,
  makeGroup,
  makeSubcommand,
  withRegistry,
  type JsonOption,
} from './registry-commands.ts';
import { resumeLine } from './stored-run.ts';
import { isSessionLeft, renderSession, sessionToJson } from './render-session.ts';
import { makeCleanupCommand } from './cleanup-command.ts';
import { listSessions, type SessionListOptions } from './list-sessions.ts';
import { renderLines } from '../terminal/text-table.ts';
import { describeAgo } from '../../core/describe-time.ts';
import { printJson, printResult } from '../terminal/terminal.ts';

export function makeSessionsCommand(): Command {
  return makeGroup('sessions', 'look at browser sessions, end and clean them', [
    makeSubcommand('sessions', 'list', { summary: 'list the live sessions', example: 'list --all' })
      .option('--all', 'list the sessions that are over, too')
      .action((_words: string[], options: SessionListOptions) =>
        withRegistry((registry) => listSessions(registry, options)),
      ),
    makeSubcommand('sessions', 'show', {
      summary: 'show everything about a session',
      usage: '<id>',
      example: 'show 3f2a91c0',
    })
      .argument('<id>', 'its id, or enough of it')
      .action((id: string, options: JsonOption) => withRegistry((registry) => show(registry, id, options))),
    makeSubcommand('sessions', 'end', {
      summary: 'end a live session, also if another process works with it',
      usage: '<id>',
      example: 'end 3f2a91c0',
    })
      .argument('<id>', 'its id, or enough of it')
      .action((id: string, options: JsonOption) =>
        withRegistry((registry, config) => end(registry, id, { ...options, config })),
      ),
    makeCleanupCommand(),
  ]);
}

async function show(registry: Registry, typed: string, { json = false }: JsonOption): Promise<void> {
  const session = await find(registry, typed);
  if (session === undefined) return;
  if (json) printJson(sessionToJson(session));
  else printResult(renderSession(session));
}

async function end(
  registry: Registry,
  typed: string,
  { json = false, config }: JsonOption & { readonly config: Config },
): Promise<void> {
  const session = await find(registry, typed);
  if (session === undefined) return;
  const wasLive = isLive(session);
  const wasLeft = isSessionLeft(session);
  if (wasLive) {
    await using manager = await SessionManager.open({
      registry,
      config,
      log: makeLog({ level: 'warn', format: config.logFormat }),
    });
    await manager.end(session.id);
  }
  const now = (await registry.sessions.get(session.id)) ?? session;
  if (json) printJson(sessionToJson(now));
  else printResult(renderLines(await describeEnd(registry, now, { wasLive, wasLeft })));
}

async function describeEnd(
  registry: Registry,
  session: StoredSession,
  { wasLive, wasLeft }: { readonly wasLive: boolean; readonly wasLeft: boolean },
): Promise<string[]> {
  const { host, pid, status, endedAt, runId } = session;
  const name = `The ${nameSession(session)}`;
  if (!wasLive) return [`${name} is over already: ${status}${endedAt === null ? '' : ` ${describeAgo(endedAt)}`}.`];
  if (wasLeft) return [`${name}: its process (pid ${pid}) was gone. Its leftovers are removed, and the owner is free.`];
  const isHere = host === thisProcess().host;
  const rest = isHere
    ? `Its browser is ended; its process (pid ${pid}) notices this within seconds.`
    : `Its process (pid ${pid} on ${host}) notices this within seconds and ends the browser.`;
  const run = runId === null ? undefined : await registry.runs.get(runId);
  const halted = run?.status === 'halted' ? ['Its run is halted. Resume it:', `  ${resumeLine(run)}`] : [];
  return [`${name} is ended. ${rest}`, ...halted];
}

/** Finds a session, or prints that there is none. */
async function find(registry: Registry, typed: string): Promise<StoredSession | undefined> {
  const { sessions, location } = registry;
  const all = await sessions.list();
  // Actions and Grids show a session's WebDriver id.
  const session = all.find(({ id, webdriverId }) => id === typed || webdriverId === typed) ?? findById(all, typed);
  if (session !== undefined) return session;
  const damaged = findById(
    (await sessions.listDamaged()).map((id) => ({ id })),
    typed,
  );
  if (damaged === undefined)
    failToFind('session', typed, {
      ids: all.map(({ id }) => id),
      handles: all.map(({ id }) => shortSessionId(id)),
      location,
    });
  else
    fail(
      `The row of session ${damaged.id} is damaged. Bring it to a safe state: ${commandLine('sessions', 'cleanup --execute')}`,
    );
  return undefined;
}
