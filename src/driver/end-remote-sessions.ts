/**
 * The program that the watchdog of remote sessions starts when its owner was killed: it reads the sessions from its input, and ends those
 * that are still open.
 */
import { createInterface } from 'node:readline';

import { endRemoteSession } from './remote-session.ts';

const DONE = /^done (\S+)$/;
/** A Grid may be slow, or restart. */
const MAX_ATTEMPTS = 3;

interface Line {
  readonly url: string;
  readonly sessionId: string;
  readonly proxy?: string;
}

const open = new Map<string, Line>();
for await (const text of createInterface({ input: process.stdin })) {
  const ended = DONE.exec(text)?.[1];
  if (ended !== undefined) open.delete(ended);
  else {
    const line = JSON.parse(text) as Line;
    open.set(line.sessionId, line);
  }
}
await Promise.all([...open.values()].map(end));

/** An error has no reader here. The registry's clean-up ends a session that is left. */
async function end({ url, sessionId, proxy }: Line): Promise<void> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    try {
      await endRemoteSession({ url, sessionId, route: { proxy } });
      return;
    } catch {
      continue;
    }
  }
}
