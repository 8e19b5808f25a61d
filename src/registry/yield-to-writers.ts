import { delay } from '../core/abort.ts';

/**
 * Lets other writers work between the parts of long work. SQLite has one writer at a time and no queue, so another process gets its turn
 * only by chance.
 */
export function yieldToWriters(): Promise<void> {
  return delay(1);
}
