import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { expect } from 'chai';

import { withModuleSyntax } from '../../../../src/cli/run/load/module-syntax.ts';

describe('withModuleSyntax', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), 'syntax-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const formatOf = (name: string, text: string, format: string) => {
    const file = path.join(folder, name);
    writeFileSync(file, text);
    return withModuleSyntax({ url: pathToFileURL(file).href, format }).format;
  };

  it('takes files with imports or exports for ES modules', () => {
    expect(formatOf('a.ts', "/** A. */\nimport x from 'y';\n", 'commonjs-typescript')).to.equal('module-typescript');
    expect(formatOf('a.js', 'const a = 1;\nexport default a;\n', 'commonjs')).to.equal('module');
  });

  it('leaves CommonJS modules as they are', () => {
    expect(formatOf('a.js', "import('y');\nexports.a = 1;\n", 'commonjs')).to.equal('commonjs');
    expect(formatOf('a.cjs', 'export default 1;\n', 'commonjs')).to.equal('commonjs');
  });
});
