/**
 * Finds out whether ended processes without a parent are cleared away. Process 1 has to do it. In a container that is often Node or npm,
 * which leave them as zombies until no process can be started any more.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';

import { delay } from '../../core/abort.ts';
import { toError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { readProcessState } from '../../driver/driver.ts';
import type { CheckResult } from './check-result.ts';

/** Some programs clear ended processes away only every few seconds (measured: 4 s). */
const POLLS = 80;
const POLL_MS = 100;
/** Programs that clear ended processes away. Most machines have one of them as process 1. */
const KNOWN_INITS = /^(systemd|init|launchd|tini|dumb-init|docker-init)$/;

const MESSAGE = 'process 1 of this container leaves ended processes behind as zombies, several per session';
const ADVICE = 'Start the container with an init: docker run --init, or `init: true` in a compose file.';

export async function checkZombies(): Promise<CheckResult> {
  const name = 'processes';
  try {
    if (await leavesZombies()) return { name, status: 'warning', message: `${MESSAGE}.`, advice: ADVICE };
    return { name, status: 'ok', message: 'ended processes are cleared away' };
  } catch (thrown) {
    return { name, status: 'problem', message: `none can be started: ${toError(thrown).message}` };
  }
}

/**
 * Logs a warning if ended processes stay behind as zombies: a run works with zombies, until there are too many. Never rejects. `nameFile`
 * holds the name of process 1; if it can't be read (as with the mount option hidepid), process 1 counts as unknown and is checked.
 */
export async function warnOfZombies(
  log: Log,
  { nameFile = '/proc/1/comm', check = checkZombies }: ZombieSources = {},
): Promise<void> {
  if (process.platform !== 'linux' || KNOWN_INITS.test(readName(nameFile))) return;
  const found = await check();
  if (found.status !== 'ok') log.warn(`Processes of this machine: ${found.message}`, { advice: found.advice });
}

interface ZombieSources {
  readonly nameFile?: string;
  readonly check?: () => Promise<CheckResult>;
}

function readName(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

async function leavesZombies(): Promise<boolean> {
  // The orphan holds the pipe open: when that closes, it has ended.
  const shell = spawn('/bin/sh', ['-c', 'sleep 0.02 & echo $!'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const started = new Promise<void>((resolve, reject) => {
    shell.once('spawn', resolve);
    shell.once('error', reject);
  });
  const [pid] = await Promise.all([text(shell.stdout).then(Number), started]);
  for (let poll = 0; poll < POLLS; poll += 1) {
    if (readProcessState(pid) !== 'Z') return false;
    await delay(POLL_MS);
  }
  return true;
}
