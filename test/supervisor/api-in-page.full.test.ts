import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { expect } from 'chai';

import { ApiError, SessionSupervisor, type SupervisorOptions } from '../../src/supervisor/supervisor.ts';
import type { FaultSite } from 'webdriver-supervisor/testing';
import { useApiStage } from './api-stage.ts';
import { kill, rejectionOf } from './support.ts';

const VIA = { via: 'page' } as const;

describe('supervisor.api with via: page', () => {
  const stage = useApiStage();
  let site: FaultSite;
  let browser: SessionSupervisor;
  let own: string;

  before(() => ({ site, browser, own } = stage));

  beforeEach(async () => {
    stage.answer = (_request, response) => response.setHeader('content-type', 'text/html').end('<title>own</title>');
    await browser.driver.get(`${own}/`);
  });

  const withOptions = (options: SupervisorOptions) =>
    SessionSupervisor.attach(browser.endpointUrl!, browser.sessionId!, browser.capabilities, options);

  /** The site echoes each body, and records the requests. */
  const useEcho = () => {
    // Chromium requests the icon at unpredictable times.
    const requests: { method: string; headers: NodeJS.Dict<string | string[]>; body: Buffer }[] = [];
    stage.answer = (request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const body = Buffer.concat(parts);
        if (request.url !== '/favicon.ico') requests.push({ method: request.method!, headers: request.headers, body });
        response.setHeader('x-echo', 'yes').setHeader('set-cookie', 'set=by-answer').end(body);
      });
    };
    return requests;
  };

  it('makes the same call as the page’s own scripts', async () => {
    const requests = useEcho();
    await browser.driver.executeAsyncScript(`fetch('/x').then(arguments[0], arguments[0])`);
    const response = await browser.api.fetch('/x', VIA);
    expect(response)
      .to.be.instanceOf(Response)
      .and.to.include({ status: 200, url: `${own}/x`, type: 'basic' });
    expect(response.headers.get('x-echo')).to.equal('yes');
    const [page, api] = requests.map(({ headers: { cookie: _cookie, ...headers } }) => headers);
    expect(api).to.deep.equal(page);
    expect(api).to.include({ 'sec-fetch-site': 'same-origin' }).and.to.have.property('sec-ch-ua');
    expect(await browser.driver.executeScript('return document.cookie')).to.equal('set=by-answer');
  });

  it('returns JSON, statuses, and the target of a redirect', async () => {
    stage.answer = ({ url }, response) => {
      if (url === '/from') response.writeHead(302, { location: '/to' }).end();
      else response.writeHead(url === '/to' ? 200 : 404).end(JSON.stringify({ at: url }));
    };
    expect(await browser.api.json('/from', VIA)).to.deep.equal({ at: '/to' });
    expect(await browser.api.fetch('/from', VIA)).to.include({ url: `${own}/to`, redirected: true });
    const error = await rejectionOf(browser.api.json('/none', VIA));
    expect(error).to.be.instanceOf(ApiError).and.include({ status: 404 });
    expect((await browser.api.fetch('/none', { ...VIA, method: 'HEAD' })).status).to.equal(404);
  });

  const form = new FormData();
  form.append('file', new Blob([new Uint8Array([0, 255])]), 'a.bin');
  for (const [what, body, type, holds] of [
    ['a text', 'Grüße', 'text/plain;charset=UTF-8', 'Grüße'],
    ['bytes', new Uint8Array([0, 128, 255]), undefined, Buffer.from([0, 128, 255])],
    ['parameters', new URLSearchParams({ a: 'b c' }), 'application/x-www-form-urlencoded;charset=UTF-8', 'a=b+c'],
    ['a form with a file', form, 'multipart/form-data; boundary=', Buffer.from([0, 255])],
  ] as const) {
    it(`sends and returns ${what} byte for byte`, async () => {
      const requests = useEcho();
      const response = await browser.api.fetch('/', { ...VIA, method: 'POST', body, headers: { 'x-own': 'yes' } });
      const [sent] = requests;
      expect(sent).to.include({ method: 'POST' });
      expect(sent!.headers).to.include({ 'x-own': 'yes' });
      expect(String(sent!.headers['content-type'])).to.contain(String(type));
      expect(sent!.body.includes(holds)).to.equal(true);
      expect(Buffer.from(await response.arrayBuffer()).equals(sent!.body)).to.equal(true);
    });
  }

  it('returns an answer of 5 MB', async () => {
    const big = Buffer.alloc(5_000_000, Buffer.from([0, 1, 254, 255]));
    stage.answer = (_request, response) => response.end(big);
    const response = await browser.api.fetch('/', VIA);
    expect(Buffer.from(await response.arrayBuffer()).equals(big)).to.equal(true);
  });

  it('repeats idempotent calls, and no others', async () => {
    let tries = 0;
    stage.answer = (_request, response) => response.writeHead((tries += 1) === 1 ? 503 : 200).end();
    expect((await browser.api.fetch('/', VIA)).status).to.equal(200);
    tries = 0;
    expect((await browser.api.fetch('/', { ...VIA, method: 'POST' })).status).to.equal(503);
    expect(tries).to.equal(1);
  });

  it('ends an attempt at its time limit, in the page too', async () => {
    await using hasty = await withOptions({ apiRetries: 0, apiTimeoutMs: 100 });
    const closed = new Promise((resolve) => (stage.answer = ({ socket }) => socket.once('close', resolve)));
    const error = await rejectionOf(hasty.api.fetch('/', VIA));
    expect(error.message).to.contain('it took too long');
    await closed;
  });

  it('ends with the caller’s signal, and with the session', async () => {
    await using supervisor = await withOptions({});
    const controller = new AbortController();
    const arrived = () => new Promise<void>((resolve) => (stage.answer = () => resolve()));
    const first = arrived();
    const aborted = rejectionOf(supervisor.api.fetch('/', { ...VIA, signal: controller.signal }));
    await first;
    const reason = new Error('not needed any more');
    controller.abort(reason);
    expect(await aborted).to.equal(reason);
    const second = arrived();
    const killed = rejectionOf(supervisor.api.fetch('/', VIA));
    await second;
    kill(supervisor);
    expect(await killed).to.equal(supervisor.signal.reason);
  });

  it('does not change the frame and the timeouts of the session, and does not block its commands', async () => {
    const beside = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    stage.answer = ({ url }, response) => {
      if (url === '/held') {
        held.resolve();
        void beside.promise.then(() => response.end());
      } else response.setHeader('content-type', 'text/html').end(url === '/' ? '<iframe src="/in"></iframe>' : url);
    };
    const { driver, api } = browser;
    await driver.get(own);
    await driver.switchTo().frame(0);
    const timeouts = await driver.manage().getTimeouts();
    const inFrame = 'const [done] = arguments; fetch("/held").then(() => done(location.pathname))';
    const script = driver.executeAsyncScript(inFrame);
    await held.promise;
    expect(await (await api.fetch('/beside', VIA)).text()).to.equal('/beside');
    beside.resolve();
    expect(await script).to.equal('/in');
    expect(await driver.executeScript('return location.pathname')).to.equal('/in');
    expect(await driver.manage().getTimeouts()).to.deep.equal(timeouts);
  });

  it('names CORS as the likely reason of a failed call to another site', async () => {
    await using supervisor = await withOptions({ apiRetries: 0 });
    const error = await rejectionOf(supervisor.api.fetch(`${site.url}/ok`, VIA));
    expect(error).to.be.instanceOf(ApiError);
    expect(error.message).to.contain('CORS').and.to.contain(own);
    expect((await supervisor.api.fetch(`${site.url}/ok`)).status).to.equal(200);
  });

  it('fails a call whose page navigates away, and repeats it from the next page if it is idempotent', async () => {
    for (const method of ['POST', 'GET']) {
      let tries = 0;
      const arrived = Promise.withResolvers<ServerResponse>();
      stage.answer = ({ url }, response) => {
        if (url === '/call' && (tries += 1) === 1) arrived.resolve(response);
        else response.setHeader('content-type', 'text/html').end(`at ${url}`);
      };
      const call = browser.api.fetch('/call', { ...VIA, method }).then((response) => response.text());
      const settled = call.catch((thrown: Error) => thrown.message);
      const unanswered = await arrived.promise;
      await browser.driver.get(`${own}/next`);
      // Chromium makes a GET wait for the answer of an earlier one to the same URL, for 20 s at most (measured).
      if (method === 'GET') unanswered.destroy();
      const outcome = await settled;
      expect(outcome, outcome).to.match(method === 'GET' ? /^at \/call$/ : /POST .* got no answer: .*navigated/);
      expect(tries).to.equal(method === 'GET' ? 2 : 1);
    }
  });

  describe('is refused at once, names the solution, and counts no failure of the API', () => {
    const refusal = async (init: RequestInit = {}) => {
      await using supervisor = await withOptions({ criticalFailureThreshold: 1, baseUrl: own });
      const error = await rejectionOf(supervisor.api.fetch('/', { ...init, ...VIA }));
      expect(error).to.be.instanceOf(ApiError).and.include({ status: null });
      expect(supervisor.criticalFailure).to.equal(undefined);
      return error.message;
    };

    it('without a page', async () => {
      await browser.driver.get('about:blank');
      expect(await refusal()).to.contain('driver.get');
    });

    it('for headers, redirects and modes that pages don’t have', async () => {
      expect(await refusal({ headers: { Cookie: 'a=1', 'X-Own': 'yes' } })).to.match(/headers: cookie$/);
      expect(await refusal({ redirect: 'manual' })).to.contain('manual');
      expect(await refusal({ mode: 'no-cors' })).to.contain('no-cors');
    });

    it('while an alert is open', async () => {
      const { api, driver } = browser;
      await driver.executeScript('setTimeout(() => alert("stop"))');
      const alert = await driver.wait(
        async () =>
          driver
            .switchTo()
            .alert()
            .catch(() => undefined),
        5_000,
      );
      const error = await rejectionOf(api.fetch('/', VIA));
      expect(error.message).to.contain('alert');
      await alert!.accept();
      expect((await api.fetch('/', VIA)).status).to.equal(200);
    });
  });

  it('obeys the limits per host', async () => {
    await using supervisor = await withOptions({ perHost: { concurrency: 1 } });
    let atOnce = 0;
    let most = 0;
    stage.answer = (_request, response) => {
      most = Math.max(most, (atOnce += 1));
      setImmediate(() => {
        atOnce -= 1;
        response.end();
      });
    };
    await Promise.all([1, 2, 3, 4].map((n) => supervisor.api.fetch(`/?${n}`, VIA)));
    expect(most).to.equal(1);
  });

  it('opens the last page of a dead session, and makes the call from there', async () => {
    const server = createServer((_request, response) => response.setHeader('content-type', 'text/html').end('here'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/page`;
    try {
      await using supervisor = await SessionSupervisor.start();
      await supervisor.driver.get(url);
      kill(supervisor);
      await supervisor.restart();
      expect(await (await supervisor.api.fetch(url, VIA)).text()).to.equal('here');
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
