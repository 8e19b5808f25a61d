import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';

const THROW_AWAY = 'test/scripts/throw-away.ts';

/** Lints one file inside the project, so that the project's settings and types apply. */
async function lint(source: string): Promise<string> {
  await writeFile(THROW_AWAY, source);
  try {
    return spawnSync('node_modules/.bin/oxlint', ['--type-aware', '--format=unix', THROW_AWAY], { encoding: 'utf8' })
      .stdout;
  } finally {
    await rm(THROW_AWAY);
  }
}

describe('lint: errors found by types', () => {
  for (const [rule, source] of Object.entries({
    'typescript(no-floating-promises)': 'const work = async () => 1;\nwork();\n',
    'typescript(no-misused-promises)': '[1].forEach(async () => {});\n',
    'typescript(await-thenable)': 'export const one = async () => {\n  await 1;\n};\n',
    'typescript(no-explicit-any)': 'export const one: any = 1;\n',
    'typescript(consistent-type-imports)': "import { Server } from 'node:net';\nexport type Mine = Server;\n",
  })) {
    it(`include ${rule}`, async () => {
      expect(await lint(source)).to.contain(`[Error/${rule}]`);
    });
  }
});
