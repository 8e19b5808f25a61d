import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { ConfigError } from '../../src/core/errors.ts';
import { assertInstalled, importOptional, OPTIONAL_FEATURES, type Feature } from '../../src/core/optional-package.ts';
import { rejectionOf } from '../support/rejection.ts';

type Versions = Readonly<Record<string, string>>;

interface Manifest {
  readonly dependencies: Versions;
  readonly devDependencies: Versions;
  readonly peerDependencies: Versions;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional: boolean }>>;
}

describe('optional-package', () => {
  const manifest = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  ) as unknown as Manifest;
  const packages = Object.values(OPTIONAL_FEATURES).flatMap((feature) => feature.packages);

  it('names each optional peer dependency, and no other package', () => {
    const { mocha, ...peers } = manifest.peerDependencies;
    expect(mocha).to.be.a('string');
    expect([...packages].sort()).to.deep.equal(Object.keys(peers).sort());
    for (const name of packages) expect(manifest.peerDependenciesMeta[name]).to.deep.equal({ optional: true });
  });

  it('names packages that the tests of this repository use in the range of the peer dependency', () => {
    for (const name of packages) {
      expect(manifest.devDependencies[name], name).to.equal(manifest.peerDependencies[name]);
      expect(manifest.dependencies).not.to.have.property(name);
    }
  });

  it('loads the module of a feature whose packages are installed', async () => {
    expect(() => assertInstalled(...(Object.keys(OPTIONAL_FEATURES) as Feature[]))).not.to.throw();
    expect(await importOptional('postgres', async () => 'loaded')).to.equal('loaded');
  });

  it('refuses a feature whose packages are too old or damaged, with the command that installs them', async () => {
    const damaged: string = 'data:text/javascript,import { absent } from "node:fs"';
    const loading = importOptional('postgres', () => import(damaged));
    const thrown = await rejectionOf(loading);
    expect(thrown).to.be.instanceOf(ConfigError);
    expect(thrown.message).to.match(
      /^The packages for a registry in PostgreSQL can't be loaded: .*absent[^\n]*\. To install them again: npm install 'pg@/,
    );
  });
});
