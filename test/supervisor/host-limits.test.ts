import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { expect } from 'chai';

import { ActionError, CancelledError } from '../../src/core/errors.ts';
import { HostLimits, type SupervisorOptions } from '../../src/supervisor/supervisor.ts';
import { rejectionOf, startScripted, turn } from './support.ts';

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

/** A server that counts its simultaneous requests, and records when each of them arrived. */
class Counting {
  readonly cameAt: number[] = [];
  most = 0;
  #open = 0;
  readonly #server: Server;

  static async open(): Promise<Counting> {
    const counting = new Counting();
    await new Promise<void>((resolve) => counting.#server.listen(0, '127.0.0.1', resolve));
    return counting;
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      this.cameAt.push(performance.now());
      this.most = Math.max(this.most, (this.#open += 1));
      const target = new URL(request.url ?? '/', this.url).searchParams.get('to');
      // Waits a few turns of the event loop, so that requests overlap.
      let turnsLeft = 20;
      const answer = () => {
        turnsLeft -= 1;
        if (turnsLeft > 0) return void setImmediate(answer);
        this.#open -= 1;
        if (target === null) response.end('{}');
        else response.writeHead(302, { location: target }).end();
      };
      answer();
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function visit(
  { supervisor: options = {}, ...batch }: { supervisor?: SupervisorOptions; perHost?: HostLimitsOptions },
  urls: readonly string[],
) {
  await using scripted = await startScripted(options);
  const { counts } = await scripted.supervisor.batch(urls, (url, { api }) => api.json(url), {
    concurrency: Infinity,
    ...batch,
  });
  expect(counts.done).to.equal(urls.length);
}

type HostLimitsOptions = ConstructorParameters<typeof HostLimits>[0];

describe('HostLimits', () => {
  it('limits the simultaneous requests of a batch to each host to the number in `perHost`', async () => {
    await using one = await Counting.open();
    await using other = await Counting.open();
    const urls = numbers(30).map((index) => `${index % 2 === 0 ? one.url : other.url}/${index}`);
    await visit({ perHost: { concurrency: 3 } }, urls);
    expect(one.cameAt).to.have.length(15);
    expect(other.cameAt).to.have.length(15);
    expect([one.most, other.most]).to.deep.equal([3, 3]);
  });

  it('applies to the API calls of a supervisor, in a batch or outside of one', async () => {
    await using site = await Counting.open();
    await using scripted = await startScripted({ perHost: { concurrency: 2 } });
    const { supervisor } = scripted;
    await Promise.all(numbers(6).map((index) => supervisor.api.json(`${site.url}/${index}`)));
    expect(site.most).to.equal(2);
    await supervisor.batch(numbers(6), (index, { api }) => api.json(`${site.url}/${index}`), { concurrency: 6 });
    expect(site.most).to.equal(2);
    expect(site.cameAt).to.have.length(12);
  });

  it('applies the stricter one of the limits of the supervisor and of the batch', async () => {
    await using site = await Counting.open();
    const urls = numbers(8).map((index) => `${site.url}/${index}`);
    await visit({ supervisor: { perHost: { concurrency: 4 } }, perHost: { concurrency: 1 } }, urls);
    expect(site.most).to.equal(1);
  });

  it('counts the target of a redirect with its own host', async () => {
    await using start = await Counting.open();
    await using target = await Counting.open();
    await visit(
      { perHost: { concurrency: 1 } },
      numbers(6).map((index) => `${start.url}/${index}?to=${encodeURIComponent(`${target.url}/${index}`)}`),
    );
    expect(target.cameAt).to.have.length(6);
    expect([start.most, target.most]).to.deep.equal([1, 1]);
  });

  it('enforces the delay between the starts of two requests to one host', async () => {
    const limits = new HostLimits({ minDelayMs: 40 });
    const { signal } = new AbortController();
    const startedAt: number[] = [];
    const requests = numbers(4).map((index) =>
      limits.run(`http://shop.test/${index}`, async () => startedAt.push(Date.now()), { signal }),
    );
    const startedBefore = await limits.run('http://other.test/', async () => startedAt.length, { signal });
    expect(startedBefore, 'a request to another host does not wait').to.equal(1);
    await Promise.all(requests);
    for (const [index, at] of startedAt.slice(1).entries()) expect(at - startedAt[index]!).to.be.at.least(40);
  });

  it('rejects a waiting request with the reason of its signal, and never makes it', async () => {
    const limits = new HostLimits({ concurrency: 1 });
    const gate = Promise.withResolvers<void>();
    const stop = new AbortController();
    const first = limits.run('http://shop.test/', () => gate.promise, { signal: new AbortController().signal });
    let isMade = false;
    const second = rejectionOf(limits.run('http://shop.test/', async () => (isMade = true), { signal: stop.signal }));
    const reason = new CancelledError('enough');
    stop.abort(reason);
    expect(await second).to.equal(reason);
    gate.resolve();
    await first;
    await turn();
    expect(isMade).to.equal(false);
  });

  it('continues after a request that fails', async () => {
    const limits = new HostLimits({ concurrency: 1 });
    const { signal } = new AbortController();
    const failure = new Error('no answer');
    const failed = rejectionOf(limits.run('http://shop.test/', () => Promise.reject(failure), { signal }));
    expect(await failed).to.equal(failure);
    expect(await limits.run('http://shop.test/', async () => 'fine', { signal })).to.equal('fine');
  });

  it('enforces the delay of a host that was just used, even with thousands of hosts', async () => {
    const limits = new HostLimits({ minDelayMs: 60 });
    const { signal } = new AbortController();
    const ask = (host: string) => limits.run(`http://${host}.test/`, async () => Date.now(), { signal });
    await Promise.all(numbers(1_200).map((index) => ask(`host-${index}`)));
    const first = await ask('again');
    await Promise.all(numbers(1_200).map((index) => ask(`more-${index}`)));
    expect((await ask('again')) - first).to.be.at.least(60);
  });

  for (const [what, options] of Object.entries({
    'a concurrency of 0': { concurrency: 0 },
    'a concurrency of 1.5': { concurrency: 1.5 },
    'a negative delay': { minDelayMs: -1 },
    'an endless delay': { minDelayMs: Infinity },
  }))
    it(`refuses ${what} with an ActionError, also as an option of a batch`, async () => {
      expect(() => new HostLimits(options)).to.throw(ActionError, /perHost/);
      await using scripted = await startScripted();
      const error = await rejectionOf(scripted.supervisor.batch([1], () => 1, { perHost: options }));
      expect(error).to.be.instanceOf(ActionError);
    });
});
