import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { checkActionFile, type SourceWarning } from '../../src/analysis/analysis.ts';

export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
}

export interface Checked {
  readonly warnings: readonly SourceWarning[];
  readonly found: readonly Finding[];
  /** The warnings that the comments `//! rule` at the ends of lines expect. */
  readonly expected: readonly Finding[];
}

/** Returns an action whose `run` has this body, one line per line of the body. */
export function inRun(body: string): string {
  return `import { By, defineAction, until, z } from 'webdriver-supervisor';
export default defineAction({ name: 'x', description: 'x', params: z.object({ urls: z.array(z.string()) }),
  async run({ driver, params, step, batch, save, log, progress, api }) {
${body}
  },
});
`;
}

/** Checks sources by their file names. The first one is the action. */
export async function checkSources(sources: Readonly<Record<string, string>>): Promise<Checked> {
  const folder = mkdtempSync(path.join(tmpdir(), 'analysis-'));
  try {
    for (const [name, text] of Object.entries(sources)) writeFileSync(path.join(folder, name), text);
    const warnings = await checkActionFile(path.join(folder, Object.keys(sources)[0]!));
    const found = warnings.map(({ file, line, rule }) => ({ file: path.basename(file), line, rule }));
    return { warnings, found, expected: Object.entries(sources).flatMap(([name, text]) => marksOf(name, text)) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function marksOf(file: string, text: string): Finding[] {
  return text.split('\n').flatMap((line, index) => {
    const rules = /\/\/! (.+)$/.exec(line)?.[1]?.trim().split(' ') ?? [];
    return rules.map((rule) => ({ file, line: index + 1, rule }));
  });
}
