import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { expect } from 'chai';

import { SETTING_NAMES } from '../../src/config/config.ts';
import { checkSources, inRun } from '../analysis/marked-source.ts';

const PAGES = ['README.md', 'CONTRIBUTING.md', ...readdirSync('docs').map((name) => `docs/${name}`)].filter((file) =>
  file.endsWith('.md'),
);

describe('The documentation', () => {
  const textOf = new Map(PAGES.map((file) => [file, readFileSync(file, 'utf8')]));

  it('links only to files that exist', () => {
    const broken = [...textOf].flatMap(([file, text]) =>
      [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)]
        .map(([, target = '']) => target)
        .filter((target) => !/^https?:/.test(target) && !existsSync(path.join(path.dirname(file), target)))
        .map((target) => `${file}: ${target}`),
    );
    expect(broken).to.deep.equal([]);
  });

  it('names only files of the project that exist', () => {
    const missing = [...textOf].flatMap(([file, text]) =>
      [...text.matchAll(/`((?:src|test|scripts|config|docs)\/[\w./-]+)`/g)]
        .map(([, target = '']) => target)
        .filter((target) => !existsSync(target))
        .map((target) => `${file}: ${target}`),
    );
    expect(missing).to.deep.equal([]);
  });

  it('names only npm scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
    const unknown = [...textOf].flatMap(([file, text]) =>
      [...text.matchAll(/npm run ([\w:-]+)/g)]
        .filter(([, name = '']) => !(name in scripts))
        .map(([command]) => `${file}: ${command}`),
    );
    expect(unknown).to.deep.equal([]);
  });

  it('explains each setting', () => {
    const settings = textOf.get('docs/settings.md') ?? '';
    expect(SETTING_NAMES.filter((name) => !settings.includes(`\`${name}\``))).to.deep.equal([]);
  });

  it('explains each code of an error', () => {
    const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    const codes = sources.flatMap((file) =>
      [...readFileSync(path.join('src', file), 'utf8').matchAll(/readonly code(?:: string)? = '([\w-]+)'/g)].map(
        ([, code = '']) => code,
      ),
    );
    expect(codes).to.include.members(['session-dead', 'lease-lost']);
    const explained = textOf.get('docs/errors.md') ?? '';
    expect(codes.filter((code) => !explained.includes(`\`${code}\``))).to.deep.equal([]);
  });
});

async function rulesOf(body: string): Promise<string[]> {
  const { warnings } = await checkSources({ 'action.ts': inRun(body) });
  return warnings.map(({ rule }) => rule);
}

describe('The rules in the README', () => {
  const rules = [
    ...readFileSync('README.md', 'utf8').matchAll(/^\/\/ Wrong: .*\n([\s\S]*?)\n\n\/\/ Right: .*\n([\s\S]*?)\n```/gm),
  ];

  it('have a wrong and a right example each', () => {
    expect(rules).to.have.length(4);
  });

  it('are those that the check of the source has, except for side effects', async () => {
    const warnings = await Promise.all(
      rules.map(async ([, wrong = '', right = '']) => [
        await rulesOf(`const names = [];\n${wrong}\nawait save({ names }, { key: 'a' });`),
        await rulesOf(right),
      ]),
    );
    expect(warnings).to.deep.equal([
      [['outer-variable'], []],
      [['changing-key'], []],
      [['outer-driver'], []],
      [[], []],
    ]);
  });
});
