import { expect } from 'chai';
import { EventSource } from 'eventsource';

import { ConfigError } from '../../../src/core/errors.ts';
import { openRegistry } from '../../../src/registry/registry.ts';
import { Monitor } from '../../../src/monitor/monitor.ts';
import { describeOnSqlite } from '../../support/registries.ts';
import { numbers } from '../../support/opened-run.ts';
import { eventually } from '../../support/eventually.ts';
import { rejectionOf } from '../../support/rejection.ts';
import {
  ask,
  monitorConfig,
  openMonitor,
  TOKEN,
  type Answer,
  type AskOptions,
  type OpenedMonitor,
} from '../support/opened-monitor.ts';
import { startRun } from '../support/rows.ts';
import { CHANGES, OPEN, READS } from '../support/targets.ts';

/** A token with characters that Basic authentication must decode correctly. */
const ODD_TOKEN = 'a:b/c+d==%41&"e\'f';

describeOnSqlite('Monitor: access', (registries) => {
  let url: string;
  /** Limits belong to one monitor and last a minute, so that each test of a limit has its own monitor. */
  let open: Record<'usual' | 'locked' | 'guessed' | 'changed' | 'public', OpenedMonitor>;

  before(async () => {
    url = await registries.url();
    await using registry = await openRegistry(url);
    await startRun(registry, { id: 'run' });
    open = {
      usual: await openMonitor(url),
      locked: await openMonitor(url, { MONITOR_TOKEN: '' }),
      guessed: await openMonitor(url),
      changed: await openMonitor(url),
      public: await openMonitor(url, { MONITOR_HOST: '0.0.0.0', MONITOR_TOKEN: ODD_TOKEN }),
    };
  });

  after(() => Promise.all(Object.values(open).map((monitor) => monitor.close())));

  const basic = (name: string, password: string) =>
    `Basic ${Buffer.from(`${name}:${password}`, 'utf8').toString('base64')}`;

  describe('on loopback, with a token', () => {
    let monitor: OpenedMonitor;

    before(() => {
      monitor = open.usual;
    });

    it('needs the token for protected routes, and explains how to send it', async () => {
      for (const [method, targets] of [
        ['GET', READS],
        ['HEAD', READS.filter((read) => read !== '/events')],
        ['POST', CHANGES],
        ['OPTIONS', READS],
      ] as const)
        for (const target of targets) {
          const { status, headers, json } = await monitor.ask(target, { method, token: null });
          expect(status, `${method} ${target}`).to.equal(401);
          expect(headers['www-authenticate']).to.equal('Bearer realm="webdriver-supervisor"');
          if (method === 'HEAD') continue;
          expect(json).to.have.all.keys('error');
          expect(json.error).to.have.all.keys('code', 'message').and.include({ code: 'token-needed' });
          expect(json.error.message).to.include('MONITOR_TOKEN').and.not.include(TOKEN);
        }
    });

    it('needs no token for the routes of process supervisors and load balancers, and for the page, which has no data', async () => {
      for (const target of OPEN)
        expect((await monitor.ask(target, { token: null })).status, target).to.be.oneOf([200, 204]);
      expect((await monitor.ask('/readyz', { token: null })).json).to.deep.equal({ status: 'ok', reason: null });
    });

    it('is granted with the token', async () => {
      for (const target of READS.filter((read) => read !== '/events'))
        expect((await monitor.ask(target)).status, target).to.equal(target.includes('no') ? 404 : 200);
      for (const target of CHANGES) expect((await monitor.post(target)).status, target).to.be.oneOf([200, 404]);
    });

    for (const { what, authorization } of [
      { what: 'a wrong token', authorization: 'Bearer wrong' },
      { what: 'the beginning of it', authorization: `Bearer ${TOKEN.slice(0, -1)}` },
      { what: 'more than it', authorization: `Bearer ${TOKEN}x` },
      { what: 'it in capitals', authorization: `Bearer ${TOKEN.toUpperCase()}` },
      { what: 'no token', authorization: 'Bearer' },
      { what: 'it without a scheme', authorization: TOKEN },
      { what: 'it under another scheme', authorization: `Token ${TOKEN}` },
      { what: 'Basic, which a browser adds by itself for foreign pages', authorization: basic('me', TOKEN) },
    ]) {
      it(`is refused for a change with ${what}`, async () => {
        const { status, json, text } = await from(monitor.url, {
          target: '/reset-stuck',
          method: 'POST',
          headers: { authorization },
          body: { dry_run: true },
        });
        expect({ status, code: json.error.code }).to.deep.equal({ status: 401, code: 'wrong-token' });
        expect(text).to.not.include(TOKEN);
      });
    }

    it('is checked before the request is validated', async () => {
      const options = { method: 'POST', body: { nonsense: true }, token: null };
      expect((await monitor.ask('/reset-stuck', options)).status).to.equal(401);
      expect((await monitor.ask('/runs?limit=none', { token: null })).status).to.equal(401);
    });

    it('accepts the scheme’s name in any case', async () => {
      const headers = { authorization: `bEaReR ${TOKEN}` };
      expect((await monitor.ask('/reset-stuck', { method: 'POST', headers })).status).to.equal(200);
    });

    it('is restricted for browsers on every kind of answer: no foreign content, no frames', async () => {
      const answers = [
        await monitor.ask('/'),
        await monitor.ask('/dashboard/dashboard.js'),
        await monitor.ask('/runs'),
        await monitor.ask('/metrics'),
        await monitor.ask('/nothing/here'),
        await monitor.ask('/runs?limit=0'),
        await monitor.ask('/runs', { headers: { host: 'evil.example' } }),
        await monitor.ask('/reset-stuck', { method: 'POST', token: null }),
      ];
      await using stream = await monitor.readEvents();
      const all = [...answers.map(({ headers }) => headers), Object.fromEntries(stream.headers)];
      for (const headers of all) {
        expect(headers).to.include({ 'x-content-type-options': 'nosniff' });
        const policy = String(headers['content-security-policy']).split(';');
        expect(policy).to.include.members(["default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]);
        expect(policy.join()).to.not.match(/unsafe|\*|https?:/);
        expect(headers).to.not.have.any.keys('x-powered-by', 'server');
      }
    });
  });

  it('is read-only for every program of this machine without MONITOR_TOKEN, for every request', async () => {
    const monitor = open.locked;
    for (const target of [...OPEN, ...READS.filter((read) => read !== '/events' && !read.includes('no'))])
      expect((await monitor.ask(target)).status, target).to.be.oneOf([200, 204]);
    for (const target of CHANGES) {
      for (const headers of [{}, { authorization: 'Bearer undefined' }, { authorization: 'Bearer ' }]) {
        const { status, json } = await monitor.ask(target, { method: 'POST', headers });
        expect(status).to.equal(403);
        expect(json.error).to.include({ code: 'no-token' });
        expect(json.error.message).to.include('MONITOR_TOKEN');
      }
    }
    expect((await monitor.ask('/runs')).status).to.equal(200);
  });

  it('is refused after ten wrong tokens of a client within a minute, even with the right token, and not for other clients', async () => {
    const monitor = open.guessed;
    const guess = (number: number) =>
      monitor.ask(number % 2 === 0 ? '/runs' : '/reset-stuck', {
        method: number % 2 === 0 ? 'GET' : 'POST',
        headers: { authorization: number % 3 === 0 ? basic('me', `guess-${number}`) : `Bearer guess-${number}` },
      });
    const tries = await Promise.all(numbers(50).map(guess));
    expect(tries.filter(({ status }) => status === 401)).to.have.length(10);
    const others = tries.filter(({ status }) => status !== 401);
    for (const { status, headers, json } of [
      ...others,
      await monitor.ask('/runs'),
      await monitor.post('/reset-stuck'),
    ]) {
      expect(status).to.equal(429);
      expect(json.error).to.include({ code: 'too-many-requests' });
      expect(Number(headers['retry-after'])).to.be.within(1, 60);
    }
    // These routes need no token.
    expect((await monitor.ask('/livez', { token: null })).status).to.equal(200);
    expect((await monitor.ask('/runs', { token: null })).status).to.equal(401);
    expect((await from(monitor.url, { target: '/runs', token: TOKEN })).status).to.equal(200);
    expect((await from(monitor.url, { target: '/runs', token: 'wrong' })).status).to.equal(401);
    const warnings = monitor.lines.filter((line) => line.includes('A wrong token came'));
    expect(warnings.map((line) => (JSON.parse(line) as { client: string }).client)).to.deep.equal([
      '127.0.0.1',
      lastClient(),
    ]);
    expect(warnings.join()).to.not.include('guess-');
    await using registry = await openRegistry(url);
    const events = await eventually(async () => {
      const found = await registry.events.listLatest({ limit: 10, types: ['wrong_tokens'] });
      return found.length > 0 && found;
    }, 'the event');
    expect(events.map(({ message, data }) => ({ message, data }))).to.deep.equal([
      {
        message: '10 or more wrong tokens came within 10 min, the latest from 127.0.0.1',
        data: { client: '127.0.0.1' },
      },
    ]);
  });

  it('is limited to thirty changes of a kind per minute, and the refusal contains the time to wait', async () => {
    const monitor = open.changed;
    const done = await Promise.all(numbers(30).map(() => monitor.post('/runs/nobody/cancel')));
    expect(done.map(({ status }) => status)).to.deep.equal(numbers(30).map(() => 404));
    const next = await monitor.post('/runs/nobody/cancel');
    expect(next.status).to.equal(429);
    expect(next.json.error).to.have.all.keys('code', 'message');
    expect(next.json.error).to.include({ code: 'too-many-requests' });
    expect(Number(next.headers['retry-after'])).to.be.within(1, 60);
    expect((await monitor.ask('/runs/run')).status).to.equal(200);
  });

  describe('from other machines', () => {
    let monitor: OpenedMonitor;

    before(() => {
      monitor = open.public;
    });

    for (const host of ['0.0.0.0', '::', 'monitor.example']) {
      it(`is not offered on ${host} without a token`, async () => {
        const config = monitorConfig(url, { MONITOR_HOST: host, MONITOR_TOKEN: '' });
        const thrown = await rejectionOf(Monitor.open({ config }));
        expect(thrown).to.be.instanceOf(ConfigError);
        expect(thrown.message).to.include(`MONITOR_HOST is ${host}`).and.include('MONITOR_TOKEN');
      });
    }

    it('fails at a port of another program with advice to choose another one', async () => {
      const port = new URL(monitor.url).port;
      const thrown = await rejectionOf(Monitor.open({ config: monitorConfig(url, { MONITOR_PORT: port }) }));
      expect(thrown).to.be.instanceOf(ConfigError);
      expect(thrown.message).to.match(/perhaps another monitor. Choose another port with --port/);
    });

    it('needs the token for protected routes', async () => {
      for (const target of READS) expect((await monitor.ask(target, { token: null })).status, target).to.equal(401);
      for (const target of OPEN)
        expect((await monitor.ask(target, { token: null })).status, target).to.be.oneOf([200, 204]);
    });

    it('accepts the token as a Bearer token or as a password for reads', async () => {
      for (const authorization of [`Bearer ${ODD_TOKEN}`, basic('', ODD_TOKEN), basic('anybody', ODD_TOKEN)]) {
        for (const target of READS.filter((read) => read !== '/events')) {
          const { status } = await monitor.ask(target, { headers: { authorization } });
          expect(status, `${authorization} ${target}`).to.equal(target.includes('no') ? 404 : 200);
        }
      }
    });

    it('refuses the token as the user name, and a wrong password', async () => {
      for (const authorization of [basic(ODD_TOKEN, ''), basic('anybody', 'wrong')])
        expect((await monitor.ask('/runs', { headers: { authorization } })).status).to.equal(401);
    });

    it('accepts only a Bearer token for changes', async () => {
      const change = (authorization: string) =>
        monitor.ask('/reset-stuck', { method: 'POST', headers: { authorization }, body: { dry_run: true } });
      expect((await change(basic('anybody', ODD_TOKEN))).status).to.equal(401);
      expect((await change(`Bearer ${ODD_TOKEN}`)).status).to.equal(200);
    });

    it('gives the stream of events to a browser with the password', async () => {
      const source = new EventSource(`${monitor.url}/events`, {
        fetch: (target, init) =>
          fetch(target, { ...init, headers: { ...init.headers, authorization: basic('me', ODD_TOKEN) } }),
      });
      try {
        const { promise, resolve, reject } = Promise.withResolvers<string>();
        source.addEventListener('progress', ({ data }) => resolve(String(data)));
        source.addEventListener('error', ({ code }) => reject(new Error(`The stream was refused with ${code}.`)));
        expect(JSON.parse(await promise).runs[0]).to.include({ id: 'run' });
      } finally {
        source.close();
      }
    });

    it('is possible by any host name, because the token protects it', async () => {
      const headers = { host: 'monitor.example:9464', authorization: `Bearer ${ODD_TOKEN}` };
      expect((await monitor.ask('/runs', { headers })).status).to.equal(200);
    });
  });
});

let clients = 0;

/** The number of the address that {@link from} used last. */
function lastClient(): string {
  return `127.0.1.${clients}`;
}

/** Sends one request as a client that sends no other. */
function from(url: string, { target, ...options }: AskOptions & { readonly target: string }): Promise<Answer> {
  clients += 1;
  return ask(url, target, { ...options, localAddress: lastClient() });
}
