/** Packs the package as npm publishes it, and checks its entry points and their types with publint and attw. Part of `npm run check`. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'webdriver-supervisor-package-'));
try {
  const tarball = join(folder, run('npm', ['pack', '--silent', '--pack-destination', folder]).trim());
  run('node_modules/.bin/publint', ['run', '--strict', tarball]);
  run('node_modules/.bin/attw', ['--profile', 'esm-only', '--no-emoji', tarball]);
  console.error('Package: publint and attw found no problem.');
} catch (thrown) {
  console.error((thrown as Error).message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}

/** Returns the stdout of a program. Throws its whole output if it fails. */
function run(program: string, words: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, words, { encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${words.join(' ')} failed:\n${stdout}${stderr}`);
  return stdout;
}
