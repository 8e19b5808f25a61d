import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { findProjectRoot, loadConfig, projectPath } from '../../src/config/config.ts';

describe('the root of a project', () => {
  const before = process.cwd();
  let root: string;
  let folder: string;

  beforeEach(() => {
    root = realpathSync(mkdtempSync(path.join(tmpdir(), 'project-')));
    folder = path.join(root, 'actions', 'deep');
    mkdirSync(folder, { recursive: true });
    mkdirSync(path.join(root, 'config'));
    writeFileSync(path.join(root, 'package.json'), '{}');
    writeFileSync(path.join(root, 'config', 'supervisor.json'), '{"MAX_SESSIONS": 7}');
    process.chdir(folder);
  });

  afterEach(() => {
    process.chdir(before);
    rmSync(root, { recursive: true });
  });

  it('is the nearest folder with a package.json', () => {
    expect(findProjectRoot()).to.equal(root);
    expect(projectPath('actions', 'one.ts')).to.equal('../one.ts');
    process.chdir(root);
    expect(projectPath('actions', 'one.ts')).to.equal('actions/one.ts');
  });

  it('is the working directory if there is none', () => {
    rmSync(path.join(root, 'package.json'));
    expect(findProjectRoot()).to.equal(undefined);
    expect(projectPath('actions')).to.equal('actions');
  });

  it('has the settings, and the registry with a relative path', () => {
    expect(loadConfig({ environment: {} })).to.include({
      maxSessions: 7,
      registryUrl: 'sqlite:../../.supervisor/registry.db',
    });
    for (const url of ['sqlite::memory:', 'sqlite:/tmp/a.db', 'postgres://u@host/db'])
      expect(loadConfig({ environment: { REGISTRY_URL: url } }).registryUrl).to.equal(url);
  });
});
