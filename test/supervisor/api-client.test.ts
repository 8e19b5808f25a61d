import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { expect } from 'chai';

import { ApiError, SessionSupervisor, type SupervisorOptions } from '../../src/supervisor/supervisor.ts';
import { openFaultSite, type FaultSite } from 'webdriver-supervisor/testing';
import { kill, rejectionOf } from './support.ts';

type Echo = Record<'headers' | 'cookies', Record<string, string>> & Record<'method' | 'body', string>;

describe('supervisor.api, with a real browser', () => {
  let site: FaultSite;
  let browser: SessionSupervisor;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  let own: string;
  const ownSite = createServer((request, response) => answer(request, response));

  before(async function () {
    this.timeout(60_000);
    site = await openFaultSite();
    await new Promise<void>((resolve) => ownSite.listen(0, '127.0.0.1', resolve));
    own = `http://127.0.0.1:${(ownSite.address() as AddressInfo).port}`;
    browser = await SessionSupervisor.start();
  });

  beforeEach(async () => {
    await browser.driver.get(`${site.url}/ok`);
    await browser.driver.manage().deleteAllCookies();
  });

  after(async () => {
    await browser.stop();
    await site.close();
    ownSite.closeAllConnections();
    await new Promise((resolve) => ownSite.close(resolve));
  });

  /** Another supervisor of the same browser, with options of its own. */
  const withOptions = (options: SupervisorOptions) =>
    SessionSupervisor.attach(browser.endpointUrl!, browser.sessionId!, browser.capabilities, options);

  const visits = (pathname: string) => site.requests.filter(({ path }) => path.startsWith(pathname));
  const uniquePath = (path: string) => `${path}${path.includes('?') ? '&' : '?'}test=${Math.random()}`;
  const pageCookies = async () =>
    Object.fromEntries((await browser.driver.manage().getCookies()).map(({ name, value }) => [name, value]));

  describe('cookies and user agent', () => {
    it('sends the browser’s cookies, HttpOnly ones included (R104)', async () => {
      await browser.driver.get(`${site.url}/set-cookie`);
      await browser.driver.manage().addCookie({ name: 'plain', value: 'seen by scripts' });
      const { cookies } = await browser.api.json<Echo>(`${site.url}/echo`);
      expect(cookies).to.deep.equal({ session: 'secret', plain: 'seen by scripts' });
    });

    it('sends the very bytes that the page sends: cookies with other letters and signs, and without a name', async () => {
      await browser.driver.executeScript(
        "document.cookie = 'name=Grüße 世界 €'; document.cookie = 'nameless'; document.cookie = 'quoted=\"a b\"';",
      );
      const sent: (string | undefined)[] = [];
      answer = (request, response) => {
        sent.push(request.headers.cookie?.split('; ').sort().join('; '));
        response.setHeader('content-type', 'text/html').end('<title>ok</title>');
      };
      await browser.driver.get(own);
      await browser.api.fetch(own);
      expect(sent[1]).to.be.a('string').and.to.equal(sent[0]);
    });

    it('sends user and password of the URL as the page does, and not to another host', async () => {
      const sent: (string | undefined)[] = [];
      answer = ({ url, headers }, response) => {
        sent.push(headers.authorization);
        if (url === '/away') response.writeHead(302, { location: `${site.url}/echo` }).end();
        else if (headers.authorization === undefined)
          response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
        else response.setHeader('content-type', 'text/html').end('<title>in</title>');
      };
      const withPassword = own.replace('//', '//ann:p%40ss%20w%C3%B6rd@');
      await browser.driver.get(withPassword);
      expect(await browser.driver.getTitle()).to.equal('in');
      const { status } = await browser.api.fetch(withPassword);
      expect(status).to.equal(200);
      expect(sent.at(-1)).to.equal(sent.find((header) => header !== undefined));
      const { headers } = await browser.api.json<Echo>(`${withPassword}/away`);
      expect(headers).not.to.have.property('authorization');
    });

    it('sends a cookie that a command has just set, also when other calls are reading the cookies right then', async () => {
      for (let round = 0; round < 5; round++) {
        const before = browser.api.json<Echo>(`${site.url}/echo`);
        await browser.driver.manage().addCookie({ name: 'round', value: String(round) });
        const { cookies } = await browser.api.json<Echo>(`${site.url}/echo`);
        expect(cookies).to.include({ round: String(round) });
        await before;
      }
    });

    it('writes Set-Cookie back: the page and the next call see it', async () => {
      await browser.api.fetch(`${site.url}/set-cookie`);
      expect(await pageCookies()).to.deep.equal({ session: 'secret' });
      await browser.driver.get(`${site.url}/echo`);
      expect(await browser.driver.getPageSource()).to.contain('secret');
      expect((await browser.api.json<Echo>(`${site.url}/echo`)).cookies).to.deep.equal({ session: 'secret' });
    });

    it('writes back what a redirect sets, before it follows it', async () => {
      const { cookies } = await browser.api.json<Echo>(`${site.url}/redirect-set-cookie`);
      expect(cookies).to.deep.equal({ session: 'redirected' });
      expect(await pageCookies()).to.deep.equal({ session: 'redirected' });
    });

    const setCookie = async (...headers: string[]) => {
      answer = (_request, response) => response.setHeader('set-cookie', headers).end();
      const { status } = await browser.api.fetch(`${own}/`);
      expect(status).to.equal(200);
      await browser.driver.get(`${own}/`);
      const cookies = await browser.driver.manage().getCookies();
      return cookies.map(({ name, value, path, httpOnly, sameSite, expiry }) => ({
        name,
        value,
        path,
        httpOnly,
        sameSite,
        expiry: typeof expiry === 'number' ? Math.round(expiry - Date.now() / 1_000) : expiry,
      }));
    };

    it('keeps the attributes of a cookie: path, HttpOnly, SameSite and how long it lives', async () => {
      const [cookie] = await setCookie('a=1; Path=/; HttpOnly; SameSite=Strict; Max-Age=3600');
      expect(cookie).to.deep.include({ name: 'a', value: '1', path: '/', httpOnly: true, sameSite: 'Strict' });
      expect(cookie!.expiry).to.be.closeTo(3_600, 5);
    });

    for (const [what, header] of Object.entries({
      'Max-Age=0': 'a=; Max-Age=0; Path=/',
      'a negative Max-Age': 'a=gone; Max-Age=-1; Path=/',
      'an Expires in the past': 'a=gone; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/',
    })) {
      it(`deletes a cookie by ${what}, and no other`, async () => {
        expect(await setCookie('a=1; Path=/', 'b=2; Path=/')).to.have.length(2);
        expect((await setCookie(header)).map(({ name }) => name)).to.deep.equal(['b']);
      });
    }

    it('takes several cookies of one answer, with commas in their dates', async () => {
      const expires = new Date(Date.now() + 3_600_000).toUTCString();
      const cookies = await setCookie(`a=1; Expires=${expires}; Path=/`, 'b=2; Path=/', 'c=3; Path=/');
      expect(cookies.map(({ name }) => name).sort()).to.deep.equal(['a', 'b', 'c']);
    });

    for (const [what, header] of Object.entries({
      'another site’s': 'a=1; Domain=example.com',
      'a __Host- cookie without Secure': '__Host-a=1; Path=/',
      'a SameSite=None cookie without Secure': 'a=1; SameSite=None',
      'an overlong one': `a=${'x'.repeat(5_000)}`,
      'nothing but attributes': '; Path=/',
    })) {
      it(`passes over a cookie that no browser would take, and the call succeeds: ${what}`, async () => {
        // Node's own server refuses some of these headers, and the world's servers don't.
        answer = ({ socket }) =>
          socket.end(`HTTP/1.1 200 OK\r\nset-cookie: ${header}\r\nset-cookie: fine=1\r\ncontent-length: 0\r\n\r\n`);
        const { status } = await browser.api.fetch(`${own}/`);
        expect(status).to.equal(200);
        expect((await browser.api.fetch(`${own}/`)).status).to.equal(200);
      });
    }

    it('calls itself what the browser calls itself, unless the caller says otherwise', async () => {
      const userAgent = await browser.driver.executeScript('return navigator.userAgent');
      const { headers } = await browser.api.json<Echo>(`${site.url}/echo`, { headers: { 'X-Own': 'yes' } });
      expect(headers).to.include({ 'user-agent': userAgent, 'x-own': 'yes' });
      const own_ = await browser.api.json<Echo>(`${site.url}/echo`, { headers: { 'User-Agent': 'mine' } });
      expect(own_.headers).to.include({ 'user-agent': 'mine' });
    });
  });

  describe('URLs', () => {
    it('stand against the page', async () => {
      await browser.driver.get(`${site.url}/slow?ms=0`);
      expect((await browser.api.fetch('/echo?page')).url).to.equal(`${site.url}/echo?page`);
      expect((await browser.api.fetch('echo?page')).url).to.equal(`${site.url}/echo?page`);
      expect((await browser.api.fetch(new URL(`${site.url}/echo?object`))).url).to.equal(`${site.url}/echo?object`);
    });

    it('stand against the base URL where there is one, whatever the page', async () => {
      await using supervisor = await withOptions({ baseUrl: `${own}/shop/` });
      answer = (request, response) => response.end(request.url);
      expect(await (await supervisor.api.fetch('items?n=1')).text()).to.equal('/shop/items?n=1');
      expect(await (await supervisor.api.fetch('/items')).text()).to.equal('/items');
    });

    it('that are relative, with no page and no base URL, are an error that says the way out', async () => {
      await browser.driver.get('about:blank');
      const error = await rejectionOf(browser.api.fetch('/items'));
      expect(error).to.be.instanceOf(ApiError);
      expect(error.message).to.match(/\/items.*relative.*baseUrl/);
    });

    for (const wrong of ['localhost:3000/items', 'ftp://127.0.0.1/items', 'http://']) {
      it(`that no call can be made to are refused at once, and no failure of the API: ${wrong}`, async () => {
        await using supervisor = await withOptions({ criticalFailureThreshold: 1, apiRetries: 4 });
        const error = await rejectionOf(supervisor.api.fetch(wrong));
        expect(error).to.be.instanceOf(ApiError);
        expect(error.message).to.contain(wrong);
        expect(supervisor.criticalFailure).to.equal(undefined);
      });
    }

    it('and options that fetch itself refuses are its own error, at once, and no failure of the API', async () => {
      await using supervisor = await withOptions({ criticalFailureThreshold: 1, apiRetries: 4 });
      const error = await rejectionOf(supervisor.api.fetch(`${site.url}/echo`, { method: 'GET', body: 'text' }));
      expect(error).to.be.instanceOf(TypeError);
      expect(supervisor.criticalFailure).to.equal(undefined);
    });
  });

  describe('retries', () => {
    let supervisor: SessionSupervisor;

    before(async () => {
      supervisor = await withOptions({ apiRetries: 1, apiTimeoutMs: 1_500, criticalFailureThreshold: 1_000 });
    });

    after(() => supervisor.stop());

    for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'POST', 'PATCH']) {
      const mayBeRepeated = !['POST', 'PATCH'].includes(method);
      const what = mayBeRepeated ? 'repeats a' : 'without Retry-After, never repeats a';
      it(`${what} ${method} that was answered 429, 502, 503 or 504, and returns a 500 as it is`, async () => {
        const ends = await Promise.all(
          [429, 500, 502, 503, 504].map(async (status) => {
            const path = `/flaky/${method}-${status}?failures=1&status=${status}`;
            const { status: got } = await supervisor.api.fetch(`${site.url}${path}`, { method });
            return { status, got, requests: visits(path).length };
          }),
        );
        for (const { status, got, requests } of ends) {
          const isRepeated = mayBeRepeated && status !== 500;
          expect({ got, requests }).to.deep.equal({ got: isRepeated ? 200 : status, requests: isRepeated ? 2 : 1 });
        }
      });
    }

    for (const [method, status, retryAfter, repeated] of [
      ['POST', 429, '0', true],
      ['POST', 503, '0', true],
      ['PATCH', 503, '0', true],
      ['POST', 502, '0', false],
      ['POST', 503, 'soon', false],
      ['GET', 503, '3600', false],
    ] as const) {
      it(`${repeated ? 'repeats' : 'doesn’t repeat'} a ${method} answered ${status} with Retry-After: ${retryAfter}`, async () => {
        const path = uniquePath(`/status/${status}?retryAfter=${retryAfter}`);
        const response = await supervisor.api.fetch(`${site.url}${path}`, { method });
        expect(response.status, 'the answer is returned as it is').to.equal(status);
        expect(await response.json()).to.deep.equal({ status });
        expect(visits(path)).to.have.length(repeated ? 2 : 1);
      });
    }

    it('sends body, headers and method again with a repetition', async () => {
      let tries = 0;
      const got: string[] = [];
      answer = (request, response) => {
        let body = '';
        request.on('data', (chunk) => (body += chunk));
        request.on('end', () => {
          got.push(`${request.method} ${String(request.headers['x-own'])} ${body}`);
          response.writeHead((tries += 1) === 1 ? 503 : 200).end();
        });
      };
      await supervisor.api.fetch(`${own}/`, { method: 'put', body: 'text', headers: { 'x-own': 'yes' } });
      expect(got).to.deep.equal(['PUT yes text', 'PUT yes text']);
    });

    it('never repeats a body that can be read only once', async () => {
      const generated = async function* () {
        yield new TextEncoder().encode('text');
      };
      for (const body of [new Blob(['text']).stream(), generated()]) {
        const path = uniquePath('/status/503');
        const init = { method: 'PUT', body: body as unknown as ReadableStream, duplex: 'half' } as RequestInit;
        expect((await supervisor.api.fetch(`${site.url}${path}`, init)).status).to.equal(503);
        expect(visits(path)).to.have.length(1);
      }
    });

    it('waits as many seconds as Retry-After says', async () => {
      const path = uniquePath('/status/503?retryAfter=1');
      await supervisor.api.fetch(`${site.url}${path}`);
      const [first, second] = visits(path);
      expect(second!.at - first!.at).to.be.at.least(999);
    });

    it('waits until the date that Retry-After says', async () => {
      const date = new Date(Date.now() + 2_000).toUTCString();
      const path = uniquePath(`/status/429?retryAfter=${encodeURIComponent(date)}`);
      await supervisor.api.fetch(`${site.url}${path}`);
      expect(performance.timeOrigin + visits(path)[1]!.at).to.be.at.least(Date.parse(date) - 1);
    });

    it('makes an error of an answer that never comes, after so many attempts of so long', async () => {
      await using hasty = await withOptions({ apiRetries: 1, apiTimeoutMs: 100 });
      const path = uniquePath('/never');
      const error = await rejectionOf(hasty.api.fetch(`${site.url}${path}`));
      expect(error).to.be.instanceOf(ApiError).and.include({ status: null });
      expect(error.message).to.match(/^GET .*\/never.* got no answer: it took too long/);
      expect(visits(path)).to.have.length(2);
    });

    it('makes an error of a connection that is reset or refused, with the reason', async () => {
      const path = uniquePath('/reset');
      const reset = await rejectionOf(supervisor.api.json(`${site.url}${path}`));
      expect(reset).to.be.instanceOf(ApiError).and.include({ status: null });
      expect(reset.message).to.match(/got no answer: .+/);
      expect(visits(path)).to.have.length(2);
      const refused = await rejectionOf(supervisor.api.fetch('http://127.0.0.1:1/'));
      expect(refused.message).to.match(/ECONNREFUSED|bad port/);
    });

    for (const how of ['fin', 'rst']) {
      it(`reads a cut body (${how}) again in json() for a GET, and never for a POST`, async () => {
        const path = uniquePath(`/cut?how=${how}`);
        const error = await rejectionOf(supervisor.api.json(`${site.url}${path}`));
        expect(error).to.be.instanceOf(ApiError).and.include({ status: null });
        expect(visits(path)).to.have.length(2);
        const posted = uniquePath(`/cut?how=${how}`);
        await rejectionOf(supervisor.api.json(`${site.url}${posted}`, { method: 'POST' }));
        expect(visits(posted)).to.have.length(1);
      });
    }

    it('heals by itself: a GET whose first body was cut has the second one', async () => {
      let tries = 0;
      answer = (_request, response) => {
        if ((tries += 1) > 1) return void response.end('{"whole":true}');
        response.writeHead(200, { 'content-length': 100 }).write('{"who', () => response.destroy());
      };
      expect(await supervisor.api.json(`${own}/`)).to.deep.equal({ whole: true });
    });

    it('makes an ApiError also of a last refusal whose body is cut', async () => {
      answer = (_request, response) => {
        response.writeHead(503, { 'content-length': 100 }).write('{"who', () => response.destroy());
      };
      const error = await rejectionOf(supervisor.api.json(`${own}/`));
      expect(error).to.be.instanceOf(ApiError);
    });
  });

  describe('errors', () => {
    it('tells status and URL, without what is secret in it', async () => {
      const error = await rejectionOf(browser.api.json(`${site.url}/status/418?token=abc123&page=2`));
      expect(error).to.be.instanceOf(ApiError);
      expect(error).to.include({ code: 'api-error', consequence: 'fail-step', status: 418 });
      expect((error as ApiError).url)
        .to.contain('page=2')
        .and.to.not.contain('abc123');
      expect((error as ApiError).data).to.deep.equal({ method: 'GET', url: (error as ApiError).url, status: 418 });
      expect(error.message)
        .to.match(/^GET .*\/status\/418.* answered 418/)
        .and.to.not.contain('abc123');
    });

    it('says that a body is no JSON, with the status that came with it', async () => {
      const error = await rejectionOf(browser.api.json(`${site.url}/ok`, { method: 'post' }));
      expect(error).to.be.instanceOf(ApiError).and.include({ status: 200 });
      expect(error.message).to.match(/^POST .*\/ok answered 200 with a body that is not JSON/);
    });

    it('fetch resolves with any answer that came', async () => {
      for (const status of [204, 304, 404, 418, 500]) {
        expect((await browser.api.fetch(`${site.url}/status/${status}`)).status).to.equal(status);
      }
    });

    it('passes the caller’s own abort on, at once, in flight and before, and it is no failure of the API', async () => {
      await using supervisor = await withOptions({ criticalFailureThreshold: 1 });
      const reason = new Error('not needed any more');
      expect(await rejectionOf(supervisor.api.fetch(`${site.url}/ok`, { signal: AbortSignal.abort(reason) }))).to.equal(
        reason,
      );
      const controller = new AbortController();
      const path = uniquePath('/never');
      const call = rejectionOf(supervisor.api.json(`${site.url}${path}`, { signal: controller.signal }));
      await site.waitForRequest(({ path: seen }) => seen === path);
      controller.abort(reason);
      expect(await call).to.equal(reason);
      expect(supervisor.criticalFailure).to.equal(undefined);
      expect((await supervisor.api.fetch(`${site.url}/ok`)).status).to.equal(200);
      expect(supervisor.health.parallelOperations).to.equal(0);
    });
  });

  describe('the session’s death', () => {
    it('aborts calls in flight and refuses later ones, with one error object, and counts them (R104, R110)', async () => {
      await using supervisor = await withOptions({});
      const path = uniquePath('/never');
      const calls = Array.from({ length: 4 }, () => rejectionOf(supervisor.api.fetch(`${site.url}${path}`)));
      await site.waitForRequest(({ path: seen }) => seen === path, { count: 4 });
      expect(supervisor.health.parallelOperations).to.equal(4);
      kill(supervisor);
      const { reason } = supervisor.signal as { reason: unknown };
      for (const error of await Promise.all(calls)) expect(error).to.equal(reason);
      const seen = site.requests.length;
      expect(await rejectionOf(supervisor.api.fetch(`${site.url}/ok`))).to.equal(reason);
      expect(await rejectionOf(supervisor.api.json('relative'))).to.equal(reason);
      expect(site.requests).to.have.length(seen);
      expect(supervisor.health.death!.cancelled).to.deep.equal({ queued: 0, inFlight: 4, refused: 2 });
      expect(supervisor.health.cascadeCount).to.equal(6);
    });

    it('ends the reading of a body that is still on its way (R104)', async () => {
      await using supervisor = await withOptions({});
      answer = (_request, response) => void response.writeHead(200, { 'content-length': 100 }).write('half');
      const response = await supervisor.api.fetch(`${own}/`);
      const text = rejectionOf(response.text());
      kill(supervisor);
      expect(await text).to.equal(supervisor.signal.reason);
    });

    it('ends the wait for a Retry-After (R104)', async () => {
      await using supervisor = await withOptions({});
      const path = uniquePath('/status/503?retryAfter=30');
      const call = rejectionOf(supervisor.api.fetch(`${site.url}${path}`));
      await site.waitForRequest(({ path: seen }) => seen === path);
      kill(supervisor);
      expect(await call).to.equal(supervisor.signal.reason);
    });
  });
});
