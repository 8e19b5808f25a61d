import { once } from 'node:events';

import { settlesWithin } from '../../core/abort.ts';
import { toError } from '../../core/errors.ts';
import { deathOf, type SessionSupervisor } from '../../supervisor/supervisor.ts';

/** A killed browser is declared dead within milliseconds. The limit only matters on an overloaded machine. */
const DECLARATION_LIMIT_MS = 10_000;

/**
 * Ends the supervisor's current session and resolves when its death is declared. Resolves with false if the session ended in another way
 * meanwhile. A browser of this machine is killed. A browser behind an endpoint can't be killed, so the death of its session is declared.
 */
export async function killSession(supervisor: SessionSupervisor): Promise<boolean> {
  const { signal, driverFolder, pids } = supervisor;
  const ended = signal.aborted ? Promise.resolve() : once(signal, 'abort');
  const isKilled = driverFolder !== undefined && pids.browser !== undefined && killProcess(pids.browser);
  if (!isKilled || !(await settlesWithin(ended, DECLARATION_LIMIT_MS))) {
    supervisor.declareDeath({
      cause: 'session-removed',
      detectedBy: 'command',
      message: 'ended by the rehearsal',
    });
  }
  await ended;
  return deathOf(signal) !== undefined;
}

/** Returns false if there is no such process. */
function killProcess(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch (thrown) {
    if ((toError(thrown) as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw thrown;
  }
}
