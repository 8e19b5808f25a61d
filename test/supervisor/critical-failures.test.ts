import { expect } from 'chai';

import {
  ApiError,
  CriticalFailureError,
  SessionDeathError,
  type SessionSupervisor,
  type SupervisorOptions,
} from '../../src/supervisor/supervisor.ts';
import { openFaultSite, type FaultSite } from 'webdriver-supervisor/testing';
import { rejectionOf, startScripted, turn } from './support.ts';

describe('supervisor.api: critical failures (R106)', () => {
  let site: FaultSite;

  before(async () => {
    site = await openFaultSite();
  });

  after(() => site.close());

  const start = (options: SupervisorOptions = {}) =>
    startScripted({ apiRetries: 0, criticalFailureThreshold: 4, ...options });

  /** Makes the calls one after the other, and returns the status or the error of each. */
  const call = async (supervisor: SessionSupervisor, paths: readonly string[]) => {
    const ends: (number | Error)[] = [];
    for (const path of paths) {
      ends.push(
        await supervisor.api.fetch(`${site.url}${path}`).then(
          ({ status }) => status,
          (thrown: Error) => thrown,
        ),
      );
    }
    return ends;
  };
  const statuses = (...codes: number[]) => codes.map((code) => `/status/${code}`);

  for (const [code, paths] of Object.entries({
    'api-outage': statuses(500, 500, 503, 500),
    'rate-limited': statuses(429, 429, 503, 429),
    'auth-expired': statuses(401, 403, 401, 500),
  })) {
    it(`names ${code} after the most frequent answers, with their numbers, while the session is alive (R106)`, async () => {
      await using scripted = await start();
      const { supervisor } = scripted;
      const error = (await call(supervisor, paths)).at(-1);
      expect(error).to.be.instanceOf(CriticalFailureError).and.include({ code, consequence: 'abort-run' });
      expect((error as Error).message).to.match(/4 API calls failed in a row: .*3 × \d+|2 × 40/);
      expect((error as CriticalFailureError).data).to.deep.equal({
        statuses: paths.map((path) => Number(path.split('/').at(-1))),
      });
      expect(supervisor.criticalFailure).to.equal(error);
      expect(supervisor.state).to.equal('alive');
    });
  }

  it('neither repeats nor counts any answer with anyStatus', async () => {
    await using scripted = await start({ apiRetries: 3 });
    const { supervisor } = scripted;
    const before = site.requestCount('/status/503');
    for (let asked = 0; asked < 6; asked += 1) {
      const response = await supervisor.api.fetch(`${site.url}/status/503`, { anyStatus: true });
      expect(response.status).to.equal(503);
    }
    expect(site.requestCount('/status/503') - before).to.equal(6);
    expect(supervisor.criticalFailure).to.equal(undefined);
  });

  it('reports api-outage if there are no answers at all', async () => {
    await using scripted = await start();
    const ends = await call(scripted.supervisor, Array<string>(4).fill('/reset'));
    expect(ends[0]).to.be.instanceOf(ApiError);
    expect(ends[3]).to.include({ code: 'api-outage' });
    expect((ends[3] as Error).message).to.contain('4 × no answer');
  });

  it('refuses every later call with the same error, until a restart (R106)', async () => {
    await using scripted = await start();
    const { supervisor } = scripted;
    const [error] = (await call(supervisor, statuses(500, 500, 500, 500))).slice(-1);
    const seen = site.requests.length;
    expect(await rejectionOf(supervisor.api.fetch(`${site.url}/ok`))).to.equal(error);
    expect(site.requests).to.have.length(seen);
    expect(await supervisor.driver.getTitle(), 'the session itself goes on').to.contain('Title');
    await supervisor.restart();
    expect(supervisor.criticalFailure).to.equal(undefined);
    expect((await supervisor.api.fetch(`${site.url}/ok`)).status).to.equal(200);
  });

  for (const status of [200, 204, 302, 304, 400, 404, 410, 418]) {
    it(`resets the count after a ${status}, which is an answer (R106)`, async () => {
      await using scripted = await start();
      const ends = await call(scripted.supervisor, statuses(500, 500, 500, status, 500, 500, 500));
      expect(ends).to.deep.equal([500, 500, 500, status, 500, 500, 500]);
      expect(scripted.supervisor.criticalFailure).to.equal(undefined);
    });
  }

  it('counts a call once, after its retries (R106)', async () => {
    await using scripted = await start({ apiRetries: 1, criticalFailureThreshold: 2 });
    const { supervisor } = scripted;
    expect(await call(supervisor, statuses(503))).to.deep.equal([503]);
    expect((await call(supervisor, ['/flaky/critical?failures=1&status=503']))[0]).to.equal(200);
    expect(await call(supervisor, statuses(503))).to.deep.equal([503]);
    expect(supervisor.criticalFailure).to.equal(undefined);
  });

  it('reports the death, and not the API, if the session is dead (R106)', async () => {
    await using scripted = await start();
    const { supervisor, server } = scripted;
    await call(supervisor, statuses(401, 401, 401));
    server.answer('GET /window/handles', { error: 'invalid session id', message: 'session timed out or not found' });
    const [error] = await call(supervisor, statuses(401));
    expect(error).to.be.instanceOf(SessionDeathError).and.equal(supervisor.signal.reason);
    expect(supervisor.health.death).to.include({ cause: 'session-removed', detectedBy: 'heartbeat' });
    expect(supervisor.criticalFailure).to.equal(undefined);
  });

  it('reports no failure if an answer arrives while the session is probed', async () => {
    await using scripted = await start();
    const { supervisor, server } = scripted;
    await call(supervisor, statuses(500, 500, 500));
    const hold = server.hold('GET /window/handles');
    const last = call(supervisor, statuses(500));
    await hold.caught;
    expect(await call(supervisor, ['/ok'])).to.deep.equal([200]);
    hold.release();
    expect(await last).to.deep.equal([500]);
    expect(supervisor.criticalFailure).to.equal(undefined);
  });

  it('probes the session once, however many calls fail at the same time', async () => {
    await using scripted = await start({ criticalFailureThreshold: 3 });
    const { supervisor, server } = scripted;
    const asked = () => server.requests.filter(({ path }) => path.endsWith('/window/handles')).length;
    const before = asked();
    const ends = await Promise.allSettled(
      Array.from({ length: 20 }, () => supervisor.api.fetch(`${site.url}/status/500`)),
    );
    expect(asked() - before).to.equal(1);
    const reasons = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
    expect(reasons).to.have.length.at.least(1);
    expect(new Set(reasons)).to.deep.equal(new Set([supervisor.criticalFailure]));
  });

  it('stops a batch: the remaining items are cancelled with the failure, and no further calls are made (R105, R106)', async () => {
    await using scripted = await start();
    const { supervisor } = scripted;
    const seen = site.requests.length;
    const { counts, stoppedBy } = await supervisor.batch(
      Array.from({ length: 300 }, (_, index) => index),
      (_item, { api }) => api.json(`${site.url}/status/403`),
      { concurrency: 1, retries: 2 },
    );
    expect(stoppedBy).to.equal(supervisor.criticalFailure).and.include({ code: 'auth-expired' });
    expect(counts.total).to.equal(300);
    expect(counts.cancelled).to.be.above(295);
    expect(counts.failed + counts.cancelled).to.equal(300);
    expect(site.requests.length - seen).to.equal(4);
  });
});

describe('supervisor.api without DevTools: the browser is asked by commands', () => {
  let site: FaultSite;

  before(async () => {
    site = await openFaultSite();
  });

  after(() => site.close());

  it('sends and writes back the cookies of the current page’s site, and its user agent', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    server.answer('POST /execute/sync', { value: 'Scripted/1.0' });
    await supervisor.driver.get(`${site.url}/ok`);
    await supervisor.driver.manage().addCookie({ name: 'a', value: '1', domain: '127.0.0.1' });
    await supervisor.api.fetch('/set-cookie');
    const echo = await supervisor.api.json<{ headers: Record<string, string>; cookies: object }>('/echo');
    expect(echo.headers['user-agent']).to.equal('Scripted/1.0');
    expect(echo.cookies).to.deep.equal({ a: '1', session: 'secret' });
  });

  it('asks the browser again a little later if it does not answer, because DevTools may be reconnecting', async () => {
    await using scripted = await startScripted({ apiRetries: 0 });
    const { supervisor, server } = scripted;
    server.answer('GET /cookie', { error: 'unknown error', message: 'net::ERR_ something passing' }, { times: 2 });
    expect((await supervisor.api.fetch(`${site.url}/ok`)).status).to.equal(200);
  });

  it('asks for the user agent again after a failure, such as an open alert', async () => {
    await using scripted = await startScripted({ criticalFailureThreshold: 1 });
    const { supervisor, server } = scripted;
    server.answer('POST /execute/sync', { error: 'unexpected alert open', message: 'boo' }, { times: 4 });
    const error = await rejectionOf(supervisor.api.fetch(`${site.url}/ok`));
    expect(error.message, 'the browser’s own words').to.contain('boo');
    server.answer('POST /execute/sync', { value: 'Scripted/1.0' });
    expect((await supervisor.api.fetch(`${site.url}/ok`)).status).to.equal(200);
    expect(supervisor.criticalFailure, 'no call was made, so the API is not to blame').to.equal(undefined);
    const asked = server.requests.filter(({ path }) => path.endsWith('/execute/sync')).length;
    await supervisor.api.fetch(`${site.url}/ok`);
    expect(server.requests.filter(({ path }) => path.endsWith('/execute/sync'))).to.have.length(asked);
  });

  it('asks for the page again after a failure, within one client too', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    await supervisor.driver.get(`${site.url}/ok`);
    server.answer('GET /url', { error: 'unexpected alert open', message: 'boo' }, { times: 4 });
    const { api } = supervisor;
    expect((await rejectionOf(api.fetch('/json'))).message).to.contain('boo');
    expect((await api.fetch('/json')).status).to.equal(200);
  });

  it('does not count a failure of the API if the browser does not return its cookies', async () => {
    await using scripted = await startScripted({ criticalFailureThreshold: 1, apiRetries: 3 });
    const { supervisor, server } = scripted;
    const seen = site.requests.length;
    server.answer('GET /cookie', { error: 'unexpected alert open', message: 'boo' }, { times: 4 });
    const error = await rejectionOf(supervisor.api.fetch(`${site.url}/ok`));
    expect(error.message).to.contain('boo');
    expect(error).not.to.be.instanceOf(ApiError);
    expect(supervisor.criticalFailure).to.equal(undefined);
    expect(site.requests).to.have.length(seen);
    expect((await supervisor.api.fetch(`${site.url}/ok`)).status).to.equal(200);
  });

  it('returns the answer although the browser rejects its cookie, and sends the request once', async () => {
    await using scripted = await startScripted({ criticalFailureThreshold: 1 });
    const { supervisor, server } = scripted;
    server.answer('POST /cookie', { error: 'invalid cookie domain', message: 'not of this page' });
    const seen = site.requests.length;
    expect((await supervisor.api.fetch(`${site.url}/set-cookie`, { method: 'POST' })).status).to.equal(200);
    expect(site.requests.length - seen).to.equal(1);
  });

  it('does not count the browser’s delay before it returns its cookies against the server’s time limit', async () => {
    await using scripted = await startScripted({ apiTimeoutMs: 500, apiRetries: 0 });
    const { supervisor, server } = scripted;
    const hold = server.hold('GET /cookie');
    const status = supervisor.api.fetch(`${site.url}/ok`).then((response) => response.status);
    status.catch(() => undefined);
    await hold.caught;
    // Longer than the time limit of the server.
    await fetch(`${site.url}/slow?ms=750`);
    hold.release();
    expect(await status).to.equal(200);
  });

  it('leaves no rejection unhandled when the session dies while the browser is asked', async () => {
    const unhandled: unknown[] = [];
    const listener = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', listener);
    try {
      await using scripted = await startScripted();
      const { supervisor, server } = scripted;
      await supervisor.driver.get(`${site.url}/ok`);
      using hold = server.hold(/cookie|url|execute/);
      const calls = Array.from({ length: 5 }, () => rejectionOf(supervisor.api.fetch('/json')));
      calls.push(...Array.from({ length: 5 }, () => rejectionOf(supervisor.api.fetch(`${site.url}/json`))));
      await hold.caught;
      supervisor.declareDeath({ cause: 'lease-lost', detectedBy: 'registry', message: 'taken over' });
      for (const error of await Promise.all(calls)) expect(error).to.equal(supervisor.signal.reason);
      await turn();
      await turn();
    } finally {
      process.off('unhandledRejection', listener);
    }
    expect(unhandled).to.deep.equal([]);
  });
});
