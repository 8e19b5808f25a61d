import { setTimeout as pause } from 'node:timers/promises';

const PAUSE_MS = 5;
const LIMIT_MS = 10_000;

/** Polls until `look` finds something and returns it. Throws after 10 s, or after `limitMs`. */
export async function eventually<Value>(
  look: () => Promise<Value | undefined | false>,
  what: string,
  limitMs = LIMIT_MS,
): Promise<Value> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`This did not happen within ${limitMs} ms: ${what}.`);
    await pause(PAUSE_MS);
  }
}
