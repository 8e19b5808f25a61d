import { expect } from 'chai';
import { defineAction, runAction, z } from 'webdriver-supervisor';
import { openScriptedWebDriver, type ScriptedWebDriver } from 'webdriver-supervisor/testing';

import { makeLog } from '../../../src/core/log.ts';
import { openRegistry, type Registry } from '../../../src/registry/registry.ts';
import { eventually } from '../../support/eventually.ts';
import { insertSession, literal, rawSql } from '../../support/raw-sql.ts';
import { describeOnSqliteAndInFullOnPostgres } from '../../support/registries.ts';
import { makeTestConfig } from '../../support/scripted-run.ts';
import { openMailServer, type MailServer } from '../support/mail-server.ts';
import { openMonitor, type OpenedMonitor } from '../support/opened-monitor.ts';
import { startRun } from '../support/rows.ts';
import { openWebhookServer, type WebhookServer } from '../support/webhook-server.ts';
import { makeDeath } from '../../support/make-death.ts';

const SECRETS = {
  parameter: 'planted1parameter',
  parameterUrl: 'planted2parameterurl',
  userInfo: 'planted3userinfo',
  cookie: 'planted4cookie',
  page: 'planted5page',
  stepError: 'planted6steperror',
  skipReason: 'planted7skipreason',
  progressLabel: 'planted8progresslabel',
  logField: 'planted9logfield',
  deathMessage: 'planted10deathmessage',
  grid: 'planted11grid',
  runError: 'planted12runerror',
  slack: 'planted13slack',
  webhook: 'planted14webhook',
  smtp: 'planted15smtp',
  monitorToken: 'planted16monitortoken',
  registry: 'planted17registry',
  row: 'planted18row',
} as const;

describeOnSqliteAndInFullOnPostgres('Monitor: secrets (R411)', (registries) => {
  let plainUrl: string;
  let url: string;
  let registry: Registry;
  let monitor: OpenedMonitor;
  let server: ScriptedWebDriver;
  let hooks: WebhookServer;
  let mails: MailServer;
  const lines: string[] = [];
  const answers: string[] = [];

  before(async () => {
    plainUrl = await registries.url();
    url = plainUrl;
    if (registries.kind === 'postgres') {
      await rawSql(plainUrl, `create role planted login superuser password '${SECRETS.registry}'`);
      url = plainUrl.replace(/\/\/.*@/, `//planted:${SECRETS.registry}@`);
    }
    server = await openScriptedWebDriver();
    hooks = await openWebhookServer();
    // Some servers repeat the request in their answer.
    hooks.answer(({ path }) => ({ status: 403, body: `no such hook: ${path}` }));
    mails = await openMailServer({ login: { user: 'mailer', password: 'another' } });
    registry = await openRegistry(url);
    await runWithSecrets();
    // The monitor raises an alert and sends it to the secret addresses.
    await startRun(registry, { id: 'lost' });
    await registry.leases.revoke('session of lost', { status: 'expired', message: 'its process is gone' });
    monitor = await openMonitor(url, {
      MONITOR_TOKEN: SECRETS.monitorToken,
      SLACK_WEBHOOK_URL: `${hooks.url}/services/T0/B0/${SECRETS.slack}`,
      ALERT_WEBHOOK_URL: `${hooks.url}/hook?token=${SECRETS.webhook}`,
      ALERT_EMAIL: 'oncall@example.org',
      SMTP_URL: `smtp://mailer:${SECRETS.smtp}@${mails.address}`,
      GRID_URL: gridUrl(),
    });
    await eventually(
      async () => monitor.lines.filter((line) => line.includes('did not reach')).length >= 3,
      'all three sinks have failed',
    );
    await walk();
  });

  after(async () => {
    await monitor.close();
    await Promise.all([registry.close(), server.close(), hooks.close(), mails.close()]);
    if (url === plainUrl) return;
    await rawSql(plainUrl, 'drop owned by planted');
    await rawSql(plainUrl, 'drop role planted');
  });

  const gridUrl = () => server.url.replace('//', `//keeper:${SECRETS.grid}@`);

  /** Makes a run that uses secrets in every way, loses its session and fails. */
  const runWithSecrets = async () => {
    const action = defineAction({
      name: 'log-in',
      description: 'An action of a test.',
      params: z.object({ password: z.string(), start: z.string(), feed: z.string() }),
      run: async ({ driver, step, batch, progress, log, params, session, signal }) => {
        await driver.get(`https://shop.example/cart?token=${SECRETS.page}`);
        await driver.manage().addCookie({ name: 'session', value: SECRETS.cookie });
        log.info(`Logged in with password=${params.password}`, { token: SECRETS.logField, start: params.start });
        progress(1, 2, `https://shop.example/?token=${SECRETS.progressLabel}`);
        if (session.epoch === 1) {
          server.endSession(undefined, `no such session at https://shop.example/?token=${SECRETS.deathMessage}`);
          await driver.getTitle();
        }
        signal.throwIfAborted();
        await batch(
          'pages',
          ['a', 'b'],
          async (item, { skip }) => {
            if (item === 'a') skip(`token=${SECRETS.skipReason}`);
            throw new Error(`GET https://me:${SECRETS.stepError}@shop.example/ failed: password=${SECRETS.stepError}`);
          },
          { key: (item) => item },
        );
        await step('last', async () => {
          throw new Error(`Cookie: session=${SECRETS.runError}; https://shop.example/?token=${SECRETS.runError}`);
        });
      },
    });
    const params = {
      password: SECRETS.parameter,
      start: `https://shop.example/?token=${SECRETS.parameterUrl}`,
      feed: `https://me:${SECRETS.userInfo}@shop.example/feed`,
    };
    const outcome = await runAction(action, params, {
      output: false,
      config: makeTestConfig({ registryUrl: url }),
      log: makeLog({ level: 'debug', format: 'json', write: (line) => void lines.push(line) }),
      supervisor: { gridUrl: gridUrl() },
    });
    expect(outcome).to.include({ status: 'failed', sessions: 2 });
    answers.push(JSON.stringify(outcome));
  };

  /** Requests every route with every id, valid and invalid. */
  const walk = async () => {
    const [runs, sessions] = await Promise.all([registry.runs.list(), registry.sessions.list()]);
    const document = (await monitor.ask('/openapi.json')).json;
    for (const [path, methods] of Object.entries<object>(document.paths)) {
      for (const method of Object.keys(methods)) {
        if (path === '/events') continue;
        const ids = path.includes('{id}')
          ? [...(path.startsWith('/runs') ? runs : sessions).map(({ id }) => id), 'nobody']
          : [''];
        for (const id of ids) {
          const target = path.replace('{id}', encodeURIComponent(id));
          const options = { method: method.toUpperCase(), token: SECRETS.monitorToken };
          for (const each of [target, `${target}?limit=none`])
            answers.push(JSON.stringify(await monitor.ask(each, options)));
        }
      }
    }
    answers.push(JSON.stringify(await monitor.ask('/')));
    answers.push(JSON.stringify(await monitor.ask('/reset-stuck', { method: 'POST', token: 'wrong' })));
    await using reader = await monitor.readEvents('?last=1000');
    await reader.until(({ progress }) => progress.length > 0);
    answers.push(JSON.stringify(reader.messages));
    // Errors of the database contain its location.
    for (const name of ['sessions', 'runs']) await rawSql(url, `alter table ${name} rename to no_${name}`);
    for (const target of ['/health', '/sessions', '/runs', '/metrics', '/readyz'])
      answers.push(JSON.stringify(await monitor.ask(target)));
    for (const name of ['sessions', 'runs']) await rawSql(url, `alter table no_${name} rename to ${name}`);
  };

  const leaksIn = (texts: readonly string[]) =>
    texts.flatMap((text) =>
      Object.entries(SECRETS)
        .filter(([, secret]) => text.includes(secret) || text.includes(Buffer.from(secret).toString('base64')))
        .map(([name, secret]) => `${name}: …${text.slice(Math.max(0, text.indexOf(secret) - 150)).slice(0, 250)}`),
    );

  it('are used by the run and the sinks', async () => {
    const sent = JSON.stringify(server.requests);
    for (const secret of [SECRETS.cookie, SECRETS.page]) expect(sent).to.include(secret);
    expect(hooks.requests.map(({ path }) => path).join(' '))
      .to.include(SECRETS.slack)
      .and.include(SECRETS.webhook);
    const [run] = await registry.runs.list({ action: 'log-in' });
    expect(run?.deaths).to.have.length(1);
    expect(run?.counts).to.include({ failed: 2, skipped: 1 });
    expect(answers.length).to.be.greaterThan(40);
  });

  it('do not appear in the answers of the run and of every route', () => {
    expect(leaksIn(answers)).to.deep.equal([]);
  });

  it('do not appear in the logs of the run and the monitor', () => {
    expect(lines.join('')).to.include('Logged in');
    expect(leaksIn([...lines, ...monitor.lines])).to.deep.equal([]);
  });

  it('do not appear in the rows of the registry', async () => {
    const tables = await rawSql(
      url,
      registries.kind === 'sqlite'
        ? `select name from sqlite_master where type = 'table'`
        : `select table_name as name from information_schema.tables where table_schema = 'public'`,
    );
    expect(tables.length).to.be.greaterThan(7);
    const rows: string[] = [];
    for (const { name } of tables)
      for (const row of await rawSql(url, `select * from ${String(name)}`)) rows.push(JSON.stringify({ name, row }));
    expect(rows.join('')).to.include('log-in').and.include('session_dead');
    expect(leaksIn(rows)).to.deep.equal([]);
  });

  it('do not appear in answers about rows of other programs', async () => {
    const text = `https://me:${SECRETS.row}@shop.example/?token=${SECRETS.row} password=${SECRETS.row}`;
    const death = JSON.stringify({ cause: 'browser-gone', detectedBy: 'devtools', message: text });
    const declared = makeDeath({ evidence: { message: text, url: text, lastCommands: [text] } });
    await rawSql(
      url,
      insertSession({
        id: 'row',
        owner: 'row',
        status: 'dead',
        death,
        error_message: text,
        endpoint: text,
        folder: text,
      }),
    );
    await registry.runs.create({ id: 'row', action: 'row', params: { text }, owner: 'row' });
    await rawSql(
      url,
      `update runs set error_code = 'x', error_message = ${literal(text)}, display_done = 1, display_total = 2, display_label = ${literal(text)}, deaths = ${literal(JSON.stringify([declared]))}, status = 'processing' where id = 'row'`,
    );
    await registry.events.append({ type: 'session_dead', message: text, data: { message: text } });
    await registry.alerts.raise({
      key: 'row',
      rule: 'row',
      severity: 'warning',
      message: text,
      next: text,
      owner: null,
      runId: null,
      sessionId: null,
    });
    const found: string[] = [];
    for (const target of ['/sessions', '/sessions/row', '/runs', '/runs/row', '/timeline', '/alerts', '/metrics'])
      found.push((await monitor.ask(target)).text);
    await using reader = await monitor.readEvents('?last=1000');
    await reader.until(({ progress }) => progress.some(({ data }) => JSON.stringify(data).includes('"row"')));
    found.push(JSON.stringify(reader.messages));
    expect(leaksIn(found)).to.deep.equal([]);
  });
});
