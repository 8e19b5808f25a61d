/** Part of the build: removes the declaration files that no entry point of the package reaches. They are most of them. */
import { globSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = fileURLToPath(new URL('../dist', import.meta.url));
const ENTRY_POINTS = ['index', 'testing', 'mocha'];
const RELATIVE_IMPORT = /(?:from |import\()['"](\.[^'"]+)\.[jt]s['"]/g;

const reached = new Set<string>();
const visit = (file: string): void => {
  if (reached.has(file)) return;
  reached.add(file);
  const text = readFileSync(join(DIST, file), 'utf8');
  for (const [, target = ''] of text.matchAll(RELATIVE_IMPORT)) visit(`${join(dirname(file), target)}.d.ts`);
};
for (const name of ENTRY_POINTS) visit(`${name}.d.ts`);
for (const file of globSync('**/*.d.ts', { cwd: DIST })) if (!reached.has(file)) rmSync(join(DIST, file));
