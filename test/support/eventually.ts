import { setTimeout as pause } from 'node:timers/promises';

const PAUSE_MS = 5;
const LIMIT_MS = 10_000;

/** Looks again and again until there is something, and returns it; complains after 10 s. */
export async function eventually<Value>(look: () => Promise<Value | undefined | false>, what: string): Promise<Value> {
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`It was waited for in vain: ${what}.`);
    await pause(PAUSE_MS);
  }
}
