/**
 * What is left when this program is killed outright is cleared by somebody else: a tiny shell that outlives us, waits on a pipe from
 * us, and acts when the pipe closes without a word.
 */
import { spawn } from 'node:child_process';

import { browserEnvironment } from '../config/config.ts';

/**
 * Reads lines until the pipe ends. A number is the process group to guard, an empty line is none; `done` disarms: group ids are used again by the system, so
 * a shell that lingered could hit a stranger. Of the ways to write it, `kill -s KILL -- -N` is the one that every sh takes (dash
 * refuses `kill -9 -- -N`). Removal is tried again, for a process that is being killed may still write a file.
 */
const SCRIPT = `
group=
while read -r line; do
  case $line in done) exit 0 ;; *) group=$line ;; esac
done
[ -n "$group" ] && kill -s KILL -- "-$group" 2>/dev/null
for pause in 0 0.05 0.2 0.5 1; do
  sleep $pause
  rm -rf -- "$1" 2>/dev/null && break
done
`;

export interface Watchdog {
  /** The process group to end, should this program vanish. */
  guard(processGroup: number): void;
  /** The group has been ended; the folder is the shell's to remove now, for as long as its tries last. */
  handOver(): void;
  /** Nothing is left to guard. Resolves when the shell has gone. */
  disarm(): Promise<void>;
}

/** Guards `folder` (removed if this program vanishes) and later a process group. */
export function startWatchdog(folder: string): Watchdog {
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'webdriver-supervisor-watchdog', folder], {
    detached: true,
    env: browserEnvironment({}),
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const gone = new Promise<void>((resolve) => {
    shell.once('exit', () => resolve());
    shell.once('error', () => resolve());
  });
  // A shell that can't start leaves us without a net, not without a session.
  shell.stdin.on('error', () => undefined);
  shell.unref();
  return {
    guard: (processGroup) => void shell.stdin.write(`${processGroup}\n`),
    handOver: () => void shell.stdin.end('\n'),
    disarm: async () => {
      shell.stdin.end('done\n');
      shell.ref();
      await gone;
    },
  };
}
