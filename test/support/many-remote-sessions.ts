/**
 * Guards two sessions at the endpoint in the first argument, and so many others that end that the shell of the guard is replaced. Prints a
 * line, and ends when it is killed.
 */
import { guardRemoteSession } from '../../src/driver/remote-watchdog.ts';

const [url = ''] = process.argv.slice(2);
for (const sessionId of ['left-1', 'left-2']) guardRemoteSession({ url, sessionId });
for (let number = 0; number < 300; number += 1) await guardRemoteSession({ url, sessionId: `ended-${number}` })();
console.log('guarded');
setInterval(() => undefined, 60_000);
