import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Gives this test process a folder for temporary files of its own, so that what it leaves there is told from what other
 * programs on the machine do at the same time. Child processes inherit it. The name is short: browsers put sockets below.
 */
export function usePrivateTmpdir(): string {
  const folder = mkdtempSync(join(tmpdir(), 'wdt-'));
  // A server that refuses to be root (PostgreSQL) must be able to pass through.
  chmodSync(folder, 0o711);
  process.env['TMPDIR'] = folder;
  process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}
