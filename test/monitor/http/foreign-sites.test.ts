import { createConnection } from 'node:net';
import { text as readText } from 'node:stream/consumers';

import { expect } from 'chai';

import { numbers } from '../../support/opened-run.ts';
import { describeOnSqlite } from '../../support/registries.ts';
import { openMonitor, TOKEN, type OpenedMonitor } from '../support/opened-monitor.ts';
import { CHANGES, OPEN, READS } from '../support/targets.ts';

describeOnSqlite('Monitor: pages of other sites', (registries) => {
  let monitor: OpenedMonitor;
  /** A monitor without a token. */
  let locked: OpenedMonitor;

  before(async () => {
    const url = await registries.url();
    monitor = await openMonitor(url);
    locked = await openMonitor(url, { MONITOR_TOKEN: '' });
  });

  after(() => Promise.all([monitor.close(), locked.close()]));

  describe('that use a host name', () => {
    for (const host of [
      'localhost',
      'LocalHost:9464',
      '127.0.0.1',
      '127.0.0.1:1',
      '127.9.9.9:80',
      '[::1]',
      '[::1]:9464',
    ]) {
      it(`get an answer at the name ${host}`, async () => {
        expect((await monitor.ask('/livez', { headers: { host } })).status).to.equal(200);
      });
    }

    for (const host of [
      'evil.example',
      'evil.example:9464',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '127.0.0.1.',
      'localhost:9464@evil.example',
      'localhost:evil',
      'localhost, evil.example',
      'localhost/',
      '0.0.0.0',
      '2130706433',
      '192.168.0.1',
      '[::]',
      '[::1',
      '[::1].evil.example',
      '%6cocalhost',
    ]) {
      it(`are refused at the name "${host}", which a page may have pointed here`, async () => {
        for (const target of ['/livez', '/runs', '/', '/nothing/here']) {
          const { status, json } = await monitor.ask(target, { headers: { host } });
          expect(status, target).to.equal(421);
          expect(json.error).to.include({ code: 'wrong-host' });
        }
      });
    }

    it('can change nothing under a foreign name, even with the token', async () => {
      const headers = { host: 'evil.example' };
      for (const target of CHANGES)
        expect((await monitor.ask(target, { method: 'POST', token: TOKEN, headers })).status).to.equal(421);
    });

    it('can not replace the name by another header', async () => {
      const headers = {
        host: 'evil.example',
        'x-forwarded-host': 'localhost',
        forwarded: 'host=localhost',
        'x-forwarded-for': '127.0.0.1',
        origin: 'http://localhost',
      };
      expect((await monitor.ask('/runs', { headers })).status).to.equal(421);
    });

    it('are refused without a name', async () => {
      expect(await sendRaw(monitor.url, 'GET /runs HTTP/1.0\r\n\r\n')).to.match(/^HTTP\/1\.1 421 /);
      expect(await sendRaw(monitor.url, 'GET /runs HTTP/1.1\r\nHost:\r\n\r\n')).to.match(/^HTTP\/1\.1 421 /);
      expect(await sendRaw(monitor.url, 'GET /runs HTTP/1.1\r\nConnection: close\r\n\r\n')).to.match(
        /^HTTP\/1\.1 400 /,
      );
    });

    it('may not read from another origin', async () => {
      const headers = { origin: 'https://evil.example', 'access-control-request-method': 'POST' };
      for (const method of ['GET', 'OPTIONS']) {
        const answer = await monitor.ask('/runs', { method, headers });
        expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control-'))).to.deep.equal([]);
      }
    });
  });

  describe('in a browser', () => {
    const askFrom = (target: string, headers: Record<string, string>, method = 'GET') =>
      locked.ask(target, { method, headers });
    const LINK = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
    const FOREIGN = {
      'an image of another site': {
        'sec-fetch-site': 'cross-site',
        'sec-fetch-mode': 'no-cors',
        'sec-fetch-dest': 'image',
      },
      'a script of another port of this machine': { 'sec-fetch-site': 'same-site', 'sec-fetch-dest': 'script' },
      'an EventSource of another site': {
        'sec-fetch-site': 'cross-site',
        origin: 'https://evil.example',
        accept: 'text/event-stream',
      },
      'an EventSource of a browser without Sec-Fetch-Site': { origin: 'https://evil.example' },
      'a page without an origin': { origin: 'null' },
      'a frame of another site': {
        'sec-fetch-site': 'cross-site',
        'sec-fetch-mode': 'navigate',
        'sec-fetch-dest': 'iframe',
      },
      'several values at once': { 'sec-fetch-site': 'same-origin, cross-site' },
      'a value that is not known': { 'sec-fetch-site': '' },
    };
    for (const [name, headers] of Object.entries(FOREIGN))
      it(`are refused for ${name}`, async () => {
        for (const target of [...READS, ...OPEN])
          for (const method of ['GET', 'HEAD']) {
            const { status, json } = await askFrom(target, headers, method);
            expect(status, target).to.equal(403);
            if (method === 'GET') expect(json.error).to.include({ code: 'wrong-origin' });
          }
      });

    it('can open the page by a link, and nothing else', async () => {
      const headers = { 'sec-fetch-site': 'cross-site', ...LINK };
      expect((await askFrom('/', headers)).status).to.equal(200);
      for (const target of [...READS, ...OPEN.filter((path) => path !== '/')])
        expect((await askFrom(target, headers)).status, target).to.equal(403);
      expect((await askFrom('/', headers, 'POST')).status).to.equal(403);
    });

    it('do not affect its own page, or an address that the user types', async () => {
      for (const site of ['same-origin', 'none'])
        for (const target of ['/', '/runs', '/dashboard/dashboard.js', '/livez'])
          expect((await askFrom(target, { 'sec-fetch-site': site, ...LINK })).status, target).to.equal(200);
      const own = { 'sec-fetch-site': 'same-origin', origin: locked.url, host: new URL(locked.url).host };
      expect((await askFrom('/runs', own)).status).to.equal(200);
      // A TLS proxy that uses the monitor's own address.
      const proxied = { 'sec-fetch-site': 'same-origin', origin: 'https://monitor.example' };
      expect((await askFrom('/dashboard/dashboard.js', proxied)).status).to.equal(200);
    });
  });

  it('can send a change but not change anything, and do not use up the limit of changes', async () => {
    const send = (origin: string) =>
      locked.ask('/runs/nobody/cancel', { method: 'POST', headers: { origin, 'content-type': 'text/plain' } });
    for (const origin of ['https://elsewhere.example', 'null', locked.url.replace(/\d+$/, '1')]) {
      const answers = await Promise.all(numbers(31).map(() => send(origin)));
      expect(new Set(answers.map(({ status, json }) => `${status} ${json.error.code}`))).to.deep.equal(
        new Set(['403 wrong-origin']),
      );
    }
    const own = await send(locked.url);
    expect(own.json.error.code).to.not.equal('wrong-origin');
    expect(own.status).to.not.equal(429);
  });
});

/** Returns everything that is answered to these bytes. */
async function sendRaw(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = createConnection({ host: hostname, port: Number(port) });
  socket.end(bytes);
  return readText(socket);
}
