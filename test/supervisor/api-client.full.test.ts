import { expect } from 'chai';

import { ApiError, SessionSupervisor, type SupervisorOptions } from '../../src/supervisor/supervisor.ts';
import type { FaultSite } from 'webdriver-supervisor/testing';
import { useApiStage } from './api-stage.ts';
import { kill, rejectionOf } from './support.ts';

describe('supervisor.api, with a real browser', () => {
  const stage = useApiStage();
  let site: FaultSite;
  let browser: SessionSupervisor;
  let own: string;

  before(() => ({ site, browser, own } = stage));

  /** Attaches another supervisor to the same browser, with its own options. */
  const withOptions = (options: SupervisorOptions) =>
    SessionSupervisor.attach(browser.endpointUrl!, browser.sessionId!, browser.capabilities, options);

  const visits = (pathname: string) => site.requests.filter(({ path }) => path.startsWith(pathname));
  const uniquePath = (path: string) => `${path}${path.includes('?') ? '&' : '?'}test=${Math.random()}`;

  describe('URLs', () => {
    it('are resolved against the page', async () => {
      await browser.driver.get(`${site.url}/slow?ms=0`);
      expect((await browser.api.fetch('/echo?page')).url).to.equal(`${site.url}/echo?page`);
      expect((await browser.api.fetch('echo?page')).url).to.equal(`${site.url}/echo?page`);
      expect((await browser.api.fetch(new URL(`${site.url}/echo?object`))).url).to.equal(`${site.url}/echo?object`);
    });

    it('are resolved against the base URL if there is one, on every page', async () => {
      await using supervisor = await withOptions({ baseUrl: `${own}/shop/` });
      stage.answer = (request, response) => response.end(request.url);
      expect(await (await supervisor.api.fetch('items?n=1')).text()).to.equal('/shop/items?n=1');
      expect(await (await supervisor.api.fetch('/items')).text()).to.equal('/items');
    });

    it('that are relative cause an error that names the solution if there is no page and no base URL', async () => {
      await browser.driver.get('about:blank');
      const error = await rejectionOf(browser.api.fetch('/items'));
      expect(error).to.be.instanceOf(ApiError);
      expect(error.message).to.match(/\/items.*relative.*baseUrl/);
    });

    for (const wrong of ['localhost:3000/items', 'ftp://127.0.0.1/items', 'http://']) {
      it(`that can’t be called are refused at once, and count as no failure of the API: ${wrong}`, async () => {
        await using supervisor = await withOptions({ criticalFailureThreshold: 1, apiRetries: 4 });
        const error = await rejectionOf(supervisor.api.fetch(wrong));
        expect(error).to.be.instanceOf(ApiError);
        expect(error.message).to.contain(wrong);
        expect(supervisor.criticalFailure).to.equal(undefined);
      });
    }

    for (const [what, address, headers] of [
      ['a port that no browser opens', 'http://127.0.0.1:1/', {}],
      ['a redirect to such a port', '', {}],
      ['a header that belongs to the connection', '', { 'transfer-encoding': 'gzip' }],
      ['a length that is not the body’s', '', { 'content-length': '7' }],
    ] as const) {
      it(`of calls that no client would send cause an ApiError at once, and count as no failure of the API: ${what}`, async () => {
        await using supervisor = await withOptions({ criticalFailureThreshold: 1, apiRetries: 4 });
        stage.answer = (_request, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
        const begunAt = performance.now();
        const init = { method: 'PUT', body: 'text', headers };
        const error = await rejectionOf(supervisor.api.fetch(address === '' ? own : address, init));
        expect(error).to.be.instanceOf(ApiError).and.include({ status: null });
        expect(performance.now() - begunAt, 'without the wait before a repetition').to.be.below(200);
        expect(supervisor.criticalFailure).to.equal(undefined);
      });
    }

    it('with options that fetch refuses cause fetch’s own error at once, and count as no failure of the API', async () => {
      await using supervisor = await withOptions({ criticalFailureThreshold: 1, apiRetries: 4 });
      const error = await rejectionOf(supervisor.api.fetch(`${site.url}/echo`, { method: 'GET', body: 'text' }));
      expect(error).to.be.instanceOf(TypeError);
      expect(supervisor.criticalFailure).to.equal(undefined);
    });
  });

  describe('the client', () => {
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

    it('sends the body, the headers and the method again with each repetition', async () => {
      let tries = 0;
      const got: string[] = [];
      stage.answer = (request, response) => {
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

    it('waits for the number of seconds in Retry-After', async () => {
      const path = uniquePath('/status/503?retryAfter=1');
      await supervisor.api.fetch(`${site.url}${path}`);
      const [first, second] = visits(path);
      expect(second!.at - first!.at).to.be.at.least(999);
    });

    it('waits until the date in Retry-After', async () => {
      const date = new Date(Date.now() + 2_000).toUTCString();
      const path = uniquePath(`/status/429?retryAfter=${encodeURIComponent(date)}`);
      await supervisor.api.fetch(`${site.url}${path}`);
      expect(performance.timeOrigin + visits(path)[1]!.at).to.be.at.least(Date.parse(date) - 1);
    });

    it('rejects if the answer never comes, after all attempts have reached their time limit', async () => {
      await using hasty = await withOptions({ apiRetries: 1, apiTimeoutMs: 100 });
      const path = uniquePath('/never');
      const error = await rejectionOf(hasty.api.fetch(`${site.url}${path}`));
      expect(error).to.be.instanceOf(ApiError).and.include({ status: null });
      expect(error.message).to.match(/^GET .*\/never.* got no answer: it took too long/);
      expect(visits(path)).to.have.length(2);
    });

    it('rejects with the reason if the connection is reset or refused', async () => {
      const path = uniquePath('/reset');
      const reset = await rejectionOf(supervisor.api.json(`${site.url}${path}`));
      expect(reset).to.be.instanceOf(ApiError).and.include({ status: null });
      expect(reset.message).to.match(/got no answer: .+/);
      expect(visits(path)).to.have.length(2);
      const refused = await rejectionOf(supervisor.api.fetch('http://127.0.0.1:1/'));
      expect(refused.message).to.match(/ECONNREFUSED|bad port/);
    });

    for (const how of ['fin', 'rst']) {
      it(`repeats a call with a truncated body (${how}) in json() for a GET, and never for a POST`, async () => {
        const path = uniquePath(`/cut?how=${how}`);
        const error = await rejectionOf(supervisor.api.json(`${site.url}${path}`));
        expect(error).to.be.instanceOf(ApiError).and.include({ status: null });
        expect(visits(path)).to.have.length(2);
        const posted = uniquePath(`/cut?how=${how}`);
        await rejectionOf(supervisor.api.json(`${site.url}${posted}`, { method: 'POST' }));
        expect(visits(posted)).to.have.length(1);
      });
    }

    it('returns the second answer to a GET whose first body was truncated', async () => {
      let tries = 0;
      stage.answer = (_request, response) => {
        if ((tries += 1) > 1) return void response.end('{"whole":true}');
        response.writeHead(200, { 'content-length': 100 }).write('{"who', () => response.destroy());
      };
      expect(await supervisor.api.json(`${own}/`)).to.deep.equal({ whole: true });
    });

    it('rejects with an ApiError if the last refusal has a truncated body', async () => {
      stage.answer = (_request, response) => {
        response.writeHead(503, { 'content-length': 100 }).write('{"who', () => response.destroy());
      };
      const error = await rejectionOf(supervisor.api.json(`${own}/`));
      expect(error).to.be.instanceOf(ApiError);
    });
  });

  describe('the client and errors', () => {
    it('reports the status and the URL, without secret parts', async () => {
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

    it('reports that a body is not JSON, with the status of the answer', async () => {
      const error = await rejectionOf(browser.api.json(`${site.url}/ok`, { method: 'post' }));
      expect(error).to.be.instanceOf(ApiError).and.include({ status: 200 });
      expect(error.message).to.match(/^POST .*\/ok answered 200 with a body that is not JSON/);
    });

    it('resolves fetch with any answer', async () => {
      for (const status of [204, 304, 404, 418, 500]) {
        expect((await browser.api.fetch(`${site.url}/status/${status}`)).status).to.equal(status);
      }
    });

    it('rejects at once with the reason of the caller’s abort, in flight and before, and counts no failure of the API', async () => {
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

    it('ends the reading of a body that is still arriving (R104)', async () => {
      await using supervisor = await withOptions({});
      stage.answer = (_request, response) => void response.writeHead(200, { 'content-length': 100 }).write('half');
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
