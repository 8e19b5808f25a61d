import { globSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { ROOT } from '../cli/cli.ts';
import { Consumer } from './consumer.ts';

const MAX_PACKAGES = 60;
/** The sizes of all files. Measured: 41, of which selenium-webdriver takes 22 and zod 8. On a disk with blocks of 4 KB they take 49. */
const MAX_MEGABYTES = 45;
const MAX_OWN_MEGABYTES = 5;
const BIN = 'node_modules/.bin/webdriver-supervisor';
const TSC = path.join(ROOT, 'node_modules/.bin/tsc');
const STRICT = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2024', '--types', 'node,mocha'];
const LIBRARIES = ['--lib', 'es2024,esnext.disposable'];

const ACTION = `import { By, defineAction, loadConfig, openRegistry, SessionManager, supervise, z } from 'webdriver-supervisor';
import { openScriptedWebDriver, type ScriptedWebDriver } from 'webdriver-supervisor/testing';
import { browser } from 'webdriver-supervisor/mocha';

export default defineAction({
  name: 'heading',
  description: 'Stores the heading of a page.',
  params: z.object({ url: z.url() }),
  async run({ driver, params, step }) {
    await step('heading', async ({ save }) => {
      await driver.get(params.url);
      save({ heading: await driver.findElement(By.css('h1')).getText() }, { key: params.url });
    });
  },
});

export const title: string = await supervise(({ driver }) => driver.getTitle());
export const site: ScriptedWebDriver = await openScriptedWebDriver();
await using registry = await openRegistry();
await using manager = await SessionManager.open({ registry, config: loadConfig() });
console.log((await manager.statistics()).byStatus.active, await browser.driver.getTitle());
`;

const SCRIPT = `import { openRegistry, supervise } from 'webdriver-supervisor';
const registry = await openRegistry('sqlite::memory:');
const title = await supervise(async ({ driver }) => {
  await driver.get(process.argv[2]);
  return driver.getTitle();
});
console.log(title, registry.kind, process.versions.node.split('.')[0]);
await registry.close();
`;

const IMPORT = `import { registerHooks } from 'node:module';
const names = new Set();
registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    const [, name] = /node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(resolved.url) ?? [];
    if (name !== undefined) names.add(name);
    return resolved;
  },
});
await import('webdriver-supervisor');
console.log([...names].sort().join());
`;

describe('the package in an empty project', function () {
  this.timeout(90_000);
  let consumer: Consumer;

  before(async () => {
    consumer = await Consumer.open();
    consumer.write({
      'page.html': '<!doctype html><html lang="en"><title>a page</title><h1>hello</h1></html>',
      'script.js': SCRIPT,
    });
  });

  after(() => consumer[Symbol.dispose]());

  it(`is installed with at most ${MAX_PACKAGES} packages and ${MAX_MEGABYTES} MB`, async () => {
    const { stdout } = await consumer.run('npm', ['ls', '--all', '--parseable']);
    const [, ...packages] = stdout.trim().split('\n');
    expect(packages).to.have.length.within(1, MAX_PACKAGES);
    const megabytesOf = (pattern: string) => {
      const files = globSync(pattern, { cwd: consumer.folder });
      const sizes = files
        .map((file) => statSync(path.join(consumer.folder, file)))
        .map((stat) => (stat.isFile() ? stat.size : 0));
      return sizes.reduce((sum, size) => sum + size, 0) / 2 ** 20;
    };
    expect(megabytesOf('node_modules/**')).to.be.within(1, MAX_MEGABYTES);
    expect(megabytesOf('node_modules/webdriver-supervisor/**')).to.be.within(1, MAX_OWN_MEGABYTES);
  });

  it('compiles in a strict project that checks its libraries', async () => {
    consumer.write({ 'action.ts': ACTION });
    await consumer.install('@types/mocha@10');
    const { code, stdout } = await consumer.run(TSC, [...STRICT, ...LIBRARIES, 'action.ts']);
    expect([stdout, code]).to.deep.equal(['', 0]);
  });

  it('has types that refuse a command that does not exist', async () => {
    const call = 'supervise(({ driver }) => driver.nonsense())';
    consumer.write({ 'nonsense.ts': `import { supervise } from 'webdriver-supervisor';\nawait ${call};\n` });
    const { code, stdout } = await consumer.run(TSC, [...STRICT, ...LIBRARIES, 'nonsense.ts']);
    expect(code).not.to.equal(0);
    expect(stdout).to.match(
      /^nonsense\.ts\(2,\d+\): error TS2339: Property 'nonsense' does not exist on type 'WebDriver'/,
    );
  });

  it('loads few packages when it is imported, and selenium only in parts', async () => {
    consumer.write({ 'import.js': IMPORT });
    const { stdout, stderr } = await consumer.run('node', ['import.js']);
    expect(stdout.trim().split(','), stderr).to.deep.equal([
      'is-network-error',
      'p-queue',
      'p-retry',
      'selenium-webdriver',
      'webdriver-supervisor',
      'zod',
    ]);
  });

  for (const version of ['22', '24']) {
    it(`makes a project ready, checks a page and runs a script on Node.js ${version}`, async () => {
      const isOwn = process.versions.node.startsWith(`${version}.`);
      const node = isOwn ? path.dirname(process.execPath) : await consumer.installNode(version);
      const page = pathToFileURL(path.join(consumer.folder, 'page.html')).href;

      const init = await consumer.run('npx', ['webdriver-supervisor', 'init'], { node });
      expect(init.code, init.stderr).to.equal(0);
      const smoke = await consumer.run('npm', ['run', 'smoke', '--', page], { node });
      expect(smoke.code, smoke.stderr).to.equal(0);
      const script = await consumer.run('node', ['script.js', page], { node });
      expect(script.stdout, script.stderr).to.equal(`a page sqlite ${version}\n`);
    });
  }

  it('refuses a Node.js that is too old in one line', async () => {
    const node = await consumer.installNode('20');
    const { code, stderr } = await consumer.run(BIN, ['doctor'], { node });
    expect(code).to.equal(2);
    expect(stderr).to.match(
      /^webdriver-supervisor needs Node\.js 22\.18 or .*; this is 20\.\d+\.\d+\. To add it .*: npm install .*\n$/,
    );
  });

  it('names the feature and the command that installs its packages, before any work', async () => {
    const refusal = async (words: readonly string[], environment: Readonly<Record<string, string>> = {}) => {
      const { code, stdout, stderr } = await consumer.run(BIN, words, { environment });
      expect([code, stdout]).to.deep.equal([2, '']);
      return stderr.replace(/^error: /, '');
    };
    const { peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      peerDependencies: Record<string, string>;
    };
    const install = (...names: readonly string[]) =>
      `To install them: npm install ${names.map((name) => `'${name}@${peerDependencies[name]}'`).join(' ')}\n`;

    const postgres = { REGISTRY_URL: 'postgres://ann@db.invalid/runs' };
    expect(await refusal(['runs'], postgres)).to.equal(
      `The packages for a registry in PostgreSQL are not installed. ${install('pg')}`,
    );
    const action = ['run', 'actions/example.ts', '--url', 'https://site.invalid/'];
    expect(await refusal(action, postgres)).to.contain(install('pg'));
    expect(await refusal(action, { BROWSER_PROXY: 'socks5://proxy.invalid:1080' })).to.equal(
      `The packages for API calls through a SOCKS proxy are not installed. ${install('socks')}`,
    );
    expect(await refusal(action, { BROWSER_PROXY: 'pac+http://proxy.invalid/file.pac' })).to.equal(
      `The packages for API calls by a PAC file are not installed. ${install('pac-resolver', 'quickjs-wasi')}`,
    );
    const all = await refusal(['monitor'], {
      ...postgres,
      SLACK_WEBHOOK_URL: 'https://hooks.slack.invalid/x',
      ALERT_EMAIL: 'ann@mail.invalid',
      SMTP_URL: 'smtp://mail.invalid',
    });
    expect(all).to.match(
      /^The packages for the monitor, a registry in PostgreSQL, alerts to Slack, and alerts by e-mail are not .* 'fastify@\S+' .*'pg@\S+' '@slack\/webhook@\S+' 'nodemailer@\S+'\n$/,
    );
  });

  it('starts the monitor after the command that its message names', async () => {
    const { stderr } = await consumer.run(BIN, ['monitor']);
    const packages = [...stderr.matchAll(/'([^']+)'/g)].map(([, name = '']) => name);
    await consumer.install(...packages);
    const monitor = await consumer.run(BIN, ['monitor', '--port', '0'], { endAfter: /The monitor listens on http/ });
    expect(monitor.code, monitor.stderr).to.equal(0);
  });
});
