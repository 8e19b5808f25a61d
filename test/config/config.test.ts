import { expect } from 'chai';
import { redactText } from '../../src/core/redact.ts';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig, SETTING_NAMES, type ConfigSources, type SettingName } from '../../src/config/config.ts';
import { ConfigError } from '../../src/core/errors.ts';

/** Settings files: JSON text by file name. */
type Files = Readonly<Record<string, string>>;

describe('loadConfig', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'config-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const load = ({ files = {}, environment = {}, ...rest }: ConfigSources & { readonly files?: Files } = {}) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return loadConfig({ folder, environment, ...rest });
  };

  const problemOf = (sources: ConfigSources & { readonly files?: Files }): string => {
    try {
      load(sources);
    } catch (thrown) {
      expect(thrown).to.be.instanceOf(ConfigError).with.property('code', 'invalid-config');
      return (thrown as Error).message;
    }
    return expect.fail('it was accepted');
  };

  it('masks passwords of the environment everywhere, and no paths of variables', () => {
    const places = {
      PWD: '/srv/one/place',
      OLDPWD: '/srv/other/place',
      DB_PASSWORD_FILE: '/run/secrets/db',
      SSH_AUTH_SOCK: '/run/agent.7',
    };
    load({ environment: { ...places, SHOP_PASSWORD: 'of-the-shop-7' } });
    const text = `${Object.values(places).join(' ')} in /srv/one/place/output`;
    expect(redactText(`${text} of-the-shop-7`)).to.equal(`${text} ***`);
  });

  it('accepts switches as words or as a JSON list, and capabilities as JSON', () => {
    const environment = {
      BROWSER_ARGUMENTS: ' --lang=de  --mute-audio',
      BROWSER_CAPABILITIES: '{"pageLoadStrategy":"eager"}',
    };
    expect(load({ environment })).to.deep.include({
      browserArguments: ['--lang=de', '--mute-audio'],
      browserCapabilities: { pageLoadStrategy: 'eager' },
    });
    const list = load({ environment: { BROWSER_ARGUMENTS: '["--user-agent=a b"]' } });
    expect(list.browserArguments).to.deep.equal(['--user-agent=a b']);
    expect(problemOf({ environment: { BROWSER_CAPABILITIES: 'eager' } })).to.match(
      /^BROWSER_CAPABILITIES .*must be a JSON object/,
    );
  });

  it('refuses switches with quotes, and shows the right form', () => {
    const quoted = problemOf({ environment: { BROWSER_ARGUMENTS: '--mute-audio --user-agent="my agent"' } });
    expect(quoted).to.contain('BROWSER_ARGUMENTS (from the environment)').and.contain('["--user-agent=my agent"]');
  });

  it('refuses a variable with its value, without showing the value', () => {
    const problem = problemOf({ environment: { BROWSER_ENVIRONMENT: 'TZ LICENCE=secret' } });
    expect(problem)
      .to.match(/^BROWSER_ENVIRONMENT .*"LICENCE" is given with a value.*TZ=Asia\/Tokyo BROWSER_ENVIRONMENT=TZ/)
      .and.not.contain('secret');
  });

  it('refuses a proxy with the scheme https as not supported', () => {
    const problem = problemOf({ environment: { BROWSER_PROXY: 'https://ann:secret@proxy.test' } });
    expect(problem)
      .to.match(/^BROWSER_PROXY .*the scheme https, which is not supported/)
      .and.not.contain('secret');
  });

  it('uses the variables that BROWSER_ENVIRONMENT names, if they are set', () => {
    const environment = { BROWSER_ENVIRONMENT: 'LICENCE  MISSING', LICENCE: '42', OTHER: 'no' };
    expect(load({ environment }).browserEnvironment).to.deep.equal({ LICENCE: '42' });
  });

  it('never shows the password of a proxy', () => {
    const message = problemOf({ environment: { BROWSER_PROXY: 'ftp://ann:secret@proxy.test' } });
    expect(message)
      .to.match(/^BROWSER_PROXY .*must be a URL/)
      .and.not.contain('secret');
  });

  it('has documented defaults', () => {
    expect(load()).to.deep.equal({
      registryUrl: 'sqlite:.supervisor/registry.db',
      maxPagesPerSession: 0,
      maxSessionAgeMs: 0,
      maxSessionMemoryMb: undefined,
      maxSessions: 100,
      limitSessions: true,
      idleSessionMs: 30_000,
      cleanupIntervalMs: 900_000,
      cleanupBatchSize: undefined,
      gridUrl: undefined,
      gridProxy: undefined,
      gridStartTimeoutMs: 290_000,
      browserArguments: [],
      browserCapabilities: {},
      browserEnvironment: {},
      browserProxy: undefined,
      acceptsInsecureCerts: false,
      userDataDir: undefined,
      downloadDir: undefined,
      failuresDir: 'output/failures',
      chromeBinary: undefined,
      chromedriver: undefined,
      firefoxBinary: undefined,
      geckodriver: undefined,
      edgeBinary: undefined,
      edgedriver: undefined,
      browser: 'chrome',
      headless: true,
      heartbeatIntervalMs: 5_000,
      heartbeatTimeoutMs: 3_000,
      commandTimeoutMs: 120_000,
      sessionTimeoutMs: 1_800_000,
      warningThresholdMs: 900_000,
      maxLongRunningSessions: 3,
      healthCheckIntervalMs: 300_000,
      isAutoTimeoutEnabled: true,
      isHealthCheckEnabled: true,
      isCleanupEnabled: true,
      maxMemoryBytes: 100_000_000,
      runRetentionMs: 30 * 86_400_000,
      maxRecordBytes: 16_000_000,
      keepsState: true,
      record: 'deaths',
      slackWebhookUrl: undefined,
      alertWebhookUrl: undefined,
      alertEmail: undefined,
      smtpUrl: undefined,
      monitorHost: '127.0.0.1',
      monitorPort: 9464,
      monitorToken: undefined,
      hasOwnerLabel: true,
      logLevel: 'info',
      logFormat: 'text',
    });
  });

  it('takes each setting from the first of flags, environment, file of the environment, file and default', () => {
    const name = 'HEARTBEAT_INTERVAL_SECONDS';
    const files: Files = { 'supervisor.json': `{"${name}": 10}`, 'supervisor.ci.json': `{"${name}": 20}` };
    const environment = { NODE_ENV: 'ci', [name]: '30' };
    const seconds = (sources: ConfigSources) => load({ ...sources, files }).heartbeatIntervalMs / 1000;
    expect(seconds({ flags: { [name]: '40' }, environment })).to.equal(40);
    expect(seconds({ environment })).to.equal(30);
    expect(seconds({ environment: { NODE_ENV: 'ci' } })).to.equal(20);
    expect(seconds({ environment: { NODE_ENV: 'other' } })).to.equal(10);
    expect(load({ environment: { NODE_ENV: 'ci' } }).heartbeatTimeoutMs).to.equal(3_000);
  });

  it('sets the warning to half of the timeout by default, and refuses one after the timeout (R210, R213)', () => {
    const warningOf = (environment: Record<string, string>) => load({ environment }).warningThresholdMs / 60_000;
    expect(warningOf({ SESSION_TIMEOUT_MINUTES: '10' })).to.equal(5);
    expect(warningOf({ SESSION_TIMEOUT_MINUTES: '10', SESSION_WARNING_THRESHOLD: '9' })).to.equal(9);
    expect(problemOf({ environment: { SESSION_WARNING_THRESHOLD: '30' } })).to.equal(
      'SESSION_WARNING_THRESHOLD is 30 minutes; it must be less than SESSION_TIMEOUT_MINUTES, which is 30.',
    );
  });

  it('never repeats an address or a token that it refuses', () => {
    for (const [name, value] of [
      ['SLACK_WEBHOOK_URL', 'hooks.example/planted'],
      ['ALERT_WEBHOOK_URL', 'ftp://planted.example'],
      ['SMTP_URL', 'http://user:planted@mail.example'],
      ['MONITOR_TOKEN', 'planted token of the monitor'],
      ['MONITOR_TOKEN', 'planted-token15'],
    ] as const) {
      const words = problemOf({ environment: { [name]: value } });
      expect(words).to.contain(name).and.not.contain('planted');
    }
    expect(problemOf({ environment: { ALERT_EMAIL: 'nobody' } }))
      .to.contain('ALERT_EMAIL')
      .and.contain('e-mail');
  });

  it('refuses a token that can be guessed, and shows how to make a good one', () => {
    const tokenOf = (MONITOR_TOKEN: string) => load({ environment: { MONITOR_TOKEN } }).monitorToken;
    expect(problemOf({ environment: { MONITOR_TOKEN: 'x'.repeat(15) } })).to.equal(
      'MONITOR_TOKEN (from the environment) is not usable: must have at least 16 characters, printable ASCII without spaces. To make one: openssl rand -hex 32.',
    );
    expect(tokenOf('sixteen-letters!')).to.equal('sixteen-letters!');
    expect(tokenOf('0123456789abcdef'.repeat(4))).to.have.length(64);
  });

  it('treats flags that were not given and empty texts as not set', () => {
    const environment = { HEADLESS: '', LOG_LEVEL: 'debug', COMMAND_TIMEOUT_SECONDS: '' };
    const config = load({ flags: { LOG_LEVEL: undefined }, environment });
    expect(config).to.include({ headless: true, logLevel: 'debug', commandTimeoutMs: 120_000 });
  });

  it('converts seconds and minutes, fractions too, into milliseconds', () => {
    const environment = { HEARTBEAT_TIMEOUT_SECONDS: '0.5', SESSION_TIMEOUT_MINUTES: ' 1.5 ' };
    expect(load({ environment })).to.include({ heartbeatTimeoutMs: 500, sessionTimeoutMs: 90_000 });
  });

  for (const [text, value] of [
    ['true', true],
    ['1', true],
    ['YES', true],
    ['on', true],
    ['false', false],
    ['0', false],
    ['No', false],
    ['off', false],
  ] as const) {
    it(`reads ${text} as ${value}`, () => {
      expect(load({ environment: { HEADLESS: text } }).headless).to.equal(value);
    });
  }

  const WRONG: readonly [name: SettingName, value: string, allowed: RegExp][] = [
    ['GRID_URL', 'grid.test:4444', /http or https URL/],
    ['GRID_URL', 'ftp://grid.test', /http or https URL/],
    ['BROWSER', 'netscape', /chrome.*firefox.*MicrosoftEdge/],
    ['HEADLESS', 'maybe', /true or false/],
    ['HEADLESS', 'constructor', /true or false/],
    ['HEARTBEAT_INTERVAL_SECONDS', 'soon', /number of seconds.*more than 0.*86400/],
    ['HEARTBEAT_INTERVAL_SECONDS', '5s', /number of seconds/],
    ['HEARTBEAT_TIMEOUT_SECONDS', '0', /more than 0/],
    ['COMMAND_TIMEOUT_SECONDS', '-1', /more than 0/],
    ['COMMAND_TIMEOUT_SECONDS', '86401', /at most 86400/],
    ['COMMAND_TIMEOUT_SECONDS', 'Infinity', /at most 86400/],
    ['SESSION_TIMEOUT_MINUTES', '   ', /number of minutes/],
    // A timer of more than 2^31 ms would fire at once.
    ['SESSION_TIMEOUT_MINUTES', '40000', /at most 34560/],
    ['LOG_LEVEL', 'loud', /error.*warn.*info.*debug/],
    ['LOG_FORMAT', 'xml', /text.*json/],
  ];

  for (const [name, value, allowed] of WRONG) {
    it(`refuses ${name}=${value} with its name, its source, and the allowed values`, () => {
      const problem = problemOf({ environment: { [name]: value } });
      expect(problem).to.contain(name).and.to.contain('the environment').and.to.match(allowed);
    });
  }

  for (const [name, json] of [
    ['HEARTBEAT_INTERVAL_SECONDS', 'true'],
    ['HEARTBEAT_INTERVAL_SECONDS', 'null'],
    ['HEARTBEAT_INTERVAL_SECONDS', '[5]'],
    ['HEADLESS', '2'],
    ['CHROMEDRIVER', '5'],
    ['FIREFOX_BINARY', '5'],
    ['GECKODRIVER', '5'],
    ['EDGE_BINARY', '5'],
    ['EDGEDRIVER', '5'],
    ['GRID_URL', 'null'],
    ['LOG_LEVEL', '{}'],
  ] as const) {
    it(`refuses ${json} as ${name} in a file`, () => {
      const problem = problemOf({ files: { 'supervisor.json': `{"${name}": ${json}}` } });
      expect(problem).to.contain(name).and.to.contain('supervisor.json');
    });
  }

  it('names all wrong settings at once', () => {
    const problem = problemOf({ flags: { BROWSER: 'x' }, environment: { LOG_LEVEL: 'y' } });
    expect(problem)
      .to.match(/BROWSER \(from the command line\) is "x"/)
      .and.to.match(/LOG_LEVEL/);
  });

  it('does not repeat a wrong URL, which may hold a password', () => {
    expect(problemOf({ environment: { GRID_URL: 'htp://ann:hunter2@grid.test' } })).not.to.contain('hunter2');
  });

  for (const browser of ['firefox', 'MicrosoftEdge']) {
    it(`accepts ${browser} with an endpoint and without`, () => {
      expect(load({ environment: { BROWSER: browser } }).browser).to.equal(browser);
      const environment = { BROWSER: browser, GRID_URL: 'https://grid.test' };
      expect(load({ environment }).browser).to.equal(browser);
    });
  }

  it('refuses unknown settings in a file, and names the one that is meant, otherwise all known ones', () => {
    const misspelled = problemOf({ files: { 'supervisor.json': '{"HEADLES": false}' } });
    expect(misspelled).to.match(/supervisor\.json has unknown settings: HEADLES\. Did you mean HEADLESS\?$/);
    const problem = problemOf({ files: { 'supervisor.json': '{"COLOUR": false}' } });
    expect(problem).to.contain('COLOUR');
    for (const name of SETTING_NAMES) expect(problem).to.contain(name);
  });

  it('ignores other variables of the environment', () => {
    expect(load({ environment: { HEADLES: 'x', PATH: '/bin' } }).headless).to.equal(true);
  });

  for (const [what, text] of [
    ['broken JSON', '{"HEADLESS": '],
    ['a list', '[]'],
    ['null', 'null'],
    ['a text', '"HEADLESS"'],
  ] as const) {
    it(`refuses a file with ${what}, and names the file`, () => {
      expect(problemOf({ files: { 'supervisor.json': text } })).to.contain(join(folder, 'supervisor.json'));
    });
  }

  it('needs no files', () => {
    expect(loadConfig({ folder: join(folder, 'missing'), environment: {} }).browser).to.equal('chrome');
  });

  it('is frozen', () => {
    expect(Object.isFrozen(load())).to.equal(true);
  });
});

describe('Secrets among the settings', () => {
  it('are masked from then on in everything that the process writes, in each form', () => {
    const environment = {
      GRID_URL: 'https://ann:grid%2Dpass@grid.test/wd/hub',
      REGISTRY_URL: 'postgres://ann:registry-pass@db.test/runs',
      BROWSER_PROXY: 'http://ann:proxy-pass@proxy.test:3128',
      BROWSER_CAPABILITIES: '{"cloud:options":{"accessKey":"access-value"}}',
      BROWSER_ENVIRONMENT: 'LICENCE_TOKEN',
      LICENCE_TOKEN: 'licence-value',
      SMTP_URL: 'smtps://ann:smtp-pass@mail.test',
      ALERT_EMAIL: 'ann@shop.test',
      MONITOR_TOKEN: 'monitor-token-value',
      SHOP_PASSWORD: 'shop-value',
      SHOP_PASSWORD_FILE: '/run/shop/file',
      SLACK_WEBHOOK_URL: 'https://hooks.test/services/T0123ABCD/B0123ABCD/slack0value0of0a0hook',
      ALERT_WEBHOOK_URL: 'https://alerts.test/in?id=alert-value',
    };
    loadConfig({ environment, folder: '/nonexistent' });
    const values = ['grid-pass', 'grid%2Dpass', 'registry-pass', 'proxy-pass', 'access-value', 'licence-value'];
    values.push('smtp-pass', 'monitor-token-value', 'shop-value', 'T0123ABCD', 'slack0value0of0a0hook', 'alert-value');
    for (const value of values) {
      expect(redactText(`it answered ${value}.`)).to.equal('it answered ***.');
      expect(redactText(`Sent ${Buffer.from(`ann:${value}`).toString('base64')}.`)).to.match(/^Sent [\w+/]{0,8}\*\*\*/);
    }
    const ordinary = 'grid.test, services, /run/shop/file, ann, in, hub and hooks.test';
    expect(redactText(ordinary)).to.equal(ordinary);
  });
});
