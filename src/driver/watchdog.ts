/**
 * Removes the leftovers of this program if it is killed: a small shell outlives the program, waits on a pipe from it, and acts when the
 * pipe closes without `done`.
 */
import { spawn } from 'node:child_process';

import { browserEnvironment } from '../config/config.ts';

/** The line of a driver that has been ended. */
const NO_GROUP = 'none';

/**
 * Reads lines until the pipe ends. A number is the process group to guard; {@link NO_GROUP} means that it has been ended. `done` disarms
 * it, because the system reuses group ids and a later shell could kill an unrelated group. `kill -s KILL -- -N` is the form that every sh
 * accepts (dash refuses `kill -9 -- -N`). The removal is retried, because a process that is being killed may still write a file. A program
 * that is killed while it starts the driver has not written the number yet. The driver is then found by the folder in its environment,
 * where /proc shows that, also if the new process becomes the driver only after a moment.
 */
const SCRIPT = `
group=
while read -r line; do
  case $line in done) exit 0 ;; *) group=$line ;; esac
done
[ -n "$group" ] && kill -s KILL -- "-$group" 2>/dev/null
for pause in 0 0.05 0.2 0.5 1; do
  sleep $pause
  [ -n "$group" ] || for environ in $(grep -lsF "TMPDIR=$1" /proc/[0-9]*/environ); do
    pid=\${environ#/proc/}
    kill -s KILL -- "-\${pid%/environ}" 2>/dev/null
  done
  rm -rf -- "$1" 2>/dev/null && case $group$pause in 0 | 0.05 | 0.2) ;; *) break ;; esac
done
`;

export interface Watchdog {
  /** Sets the process group to end if this program vanishes. */
  guard(processGroup: number): void;
  /** Leaves the removal of the folder to the shell, which retries it. The group has been ended. */
  handOver(): void;
  /** Ends the guard. Resolves when the shell has exited. */
  disarm(): Promise<void>;
}

/** Guards `folder`, which is removed if this program vanishes, and later a process group. */
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
  // If the shell can't start, the session works without this protection.
  shell.stdin.on('error', () => undefined);
  shell.unref();
  return {
    guard: (processGroup) => void shell.stdin.write(`${processGroup}\n`),
    handOver: () => void shell.stdin.end(`${NO_GROUP}\n`),
    disarm: async () => {
      shell.stdin.end('done\n');
      shell.ref();
      await gone;
    },
  };
}
