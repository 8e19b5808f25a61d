/** Ends what is left of a dead session. */
import type { BrowserSession } from '../driver/driver.ts';
import { sessionTurns } from './turn-limit.ts';

/** Kills the processes of this program's own session now. Another program's endpoint is asked to end the session, within the limit of turns. */
export function endDead(session: BrowserSession): Promise<void> {
  const end = () => session.killNow();
  return session.driverProcess === undefined ? sessionTurns.run(end) : end();
}
