import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Gives this test process its own folder for temporary files, so that its leftovers can be distinguished from the files of other programs.
 * Child processes inherit it. The name is short because browsers create sockets below it.
 */
export function usePrivateTmpdir(): string {
  const folder = mkdtempSync(join(tmpdir(), 'wdt-'));
  // PostgreSQL refuses to run as root; its own user must be able to enter the folder.
  chmodSync(folder, 0o711);
  process.env['TMPDIR'] = folder;
  process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}
