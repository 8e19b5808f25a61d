/** Programs that keep the processor busy. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';

/** Hogs have a low priority, so that the machine stays usable. */
export const HOG_NICE = 15;
/** A hog ends by itself after this CPU time, if this program is killed. */
const MAX_HOG_CPU_SECONDS = 60;

/** Starts this number of hogs. Each has a scheduling group of its own, as a browser does. */
export function startHogs(number: number): AsyncDisposable {
  const hogs: ChildProcess[] = [];
  // A signal ends this program without the disposal.
  process.once('SIGTERM', () => process.exit(1)).once('SIGINT', () => process.exit(1));
  process.once('exit', () => hogs.map((hog) => hog.kill('SIGKILL')));
  for (let count = 0; count < number; count += 1) hogs.push(startHog());
  return { [Symbol.asyncDispose]: async () => void (await Promise.all(hogs.map(stopHog))) };
}

/** Sets the priority of the scheduling group (sched(7): autogroup) of a process. Does nothing on a system without such groups. */
export function setGroupPriority(pid: number, nice: number): void {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, String(nice));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
  }
}

function startHog(): ChildProcess {
  const script = `ulimit -t ${MAX_HOG_CPU_SECONDS}; while :; do :; done`;
  const hog = spawn('sh', ['-c', script], { detached: true, stdio: 'ignore' });
  if (hog.pid !== undefined) {
    setPriority(hog.pid, HOG_NICE);
    setGroupPriority(hog.pid, HOG_NICE);
  }
  return hog;
}

async function stopHog(hog: ChildProcess): Promise<void> {
  if (hog.exitCode !== null || hog.signalCode !== null) return;
  const ended = once(hog, 'exit');
  hog.kill('SIGKILL');
  await ended;
}
