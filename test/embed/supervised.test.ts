import { expect } from 'chai';
import Mocha from 'mocha';
import { ConfigError, supervised, type SuperviseTools } from 'webdriver-supervisor';
import { rejectionOf } from '../support/rejection.ts';
import { readStderr, runMocha } from './in-process.ts';
import { openEndpoint, startsOf } from './support.ts';

describe('supervised', () => {
  it('makes a function without parameters that passes on `this` and the framework’s arguments behind the tools', async () => {
    await using endpoint = await openEndpoint();
    const test = supervised(async function (this: { id: number }, { driver }, context: { name: string }, more: number) {
      return [this.id, context.name, more, await driver.getTitle()];
    }, endpoint.options);
    expect(test.length).to.equal(0);
    const [id, name, more, title] = await test.call({ id: 7 }, { name: 'cart' }, 8);
    expect([id, name, more]).to.deep.equal([7, 'cart', 8]);
    expect(title).to.contain('Title');
    expect(startsOf(endpoint.server)).to.equal(1);
    expect(endpoint.server.sessionIds).to.deep.equal([]);
  });

  for (const [framework, context, name] of [
    ['node:test', { name: 'shows', fullName: 'cart > shows' }, 'the test "cart > shows"'],
    ['an older node:test', { name: 'shows' }, 'the test "shows"'],
    ['vitest', { task: { name: 'shows' } }, 'the test "shows"'],
    ['jest', undefined, 'a test'],
  ] as const) {
    it(`reports a test of ${framework} whose browser died in one line, and runs it again`, async () => {
      await using endpoint = await openEndpoint();
      const { server, options } = endpoint;
      const retries: number[] = [];
      const test = supervised(
        async ({ driver, attempt }, _context?: unknown) => {
          if (attempt === 1) server.endSession(undefined, 'invalid session id\nby the test');
          return driver.getTitle();
        },
        { ...options, onRetry: ({ attempt }) => void retries.push(attempt) },
      );
      const report = await readStderr(() => test(context));
      expect(report).to.match(/^webdriver-supervisor: .+\n$/);
      expect(report).to.contain(
        `the browser died during ${name} (session-removed, noticed by command: invalid session id`,
      );
      expect(report).to.contain('The test is run again on a new session, attempt 2.');
      expect(retries).to.deep.equal([2]);
    });
  }

  it('throws the test’s own error at once', async () => {
    await using endpoint = await openEndpoint();
    const own = new Error('3 items expected');
    const test = supervised(() => Promise.reject(own), endpoint.options);
    expect(await rejectionOf(test())).to.equal(own);
    expect(startsOf(endpoint.server)).to.equal(1);
  });

  it('ends with the signal of the framework', async () => {
    await using endpoint = await openEndpoint();
    const timeLimit = new AbortController();
    const late = new Error('test timed out');
    const test = supervised(async ({ signal }, _context: { signal: AbortSignal }) => {
      timeLimit.abort(late);
      signal.throwIfAborted();
    }, endpoint.options);
    expect(await rejectionOf(test({ signal: timeLimit.signal }))).to.equal(late);
    expect(endpoint.server.sessionIds).to.deep.equal([]);
  });

  it('refuses wrong options when the test is declared', () => {
    expect(() => supervised(() => 1, { retry: 1 } as object)).to.throw(ConfigError, 'supervised has no option retry.');
    expect(() => supervised('text' as unknown as () => void)).to.throw(ConfigError, 'supervised takes a function');
  });

  describe('in mocha', () => {
    it('names the test by its full title, and adds no time that browsers take to start to its limit', async () => {
      await using endpoint = await openEndpoint();
      const { server, options } = endpoint;
      const hold = server.hold('POST /session');
      let limitMs = 0;
      const test = supervised(async function (this: Mocha.Context, { driver, attempt }: SuperviseTools) {
        limitMs = this.timeout();
        if (attempt === 1) server.endSession();
        await driver.getTitle();
      }, options);
      const running = readStderr(() =>
        runMocha((suite) => suite.addTest(new Mocha.Test('shows', test)), { timeout: 1_000 }),
      );
      await server.waitForRequest('POST /session');
      setTimeout(() => hold.release(), 20);
      const report = await running;
      expect(report).to.contain('the browser died during the test "inner shows" (session-removed');
      expect(report).to.contain('passed: inner shows');
      expect(limitMs, 'the limit of the second attempt').to.be.greaterThan(1_020);
    });

    it('ends a test that takes longer than its limit, with mocha’s words, and its browser', async () => {
      await using endpoint = await openEndpoint();
      const test = supervised(() => new Promise<void>(() => undefined), endpoint.options);
      const report = await readStderr(() =>
        runMocha((suite) => suite.addTest(new Mocha.Test('hangs', test)), { timeout: 30 }),
      );
      expect(report).to.match(/^failed: inner hangs: Timeout of \d+ms exceeded\. For async tests/);
      expect(endpoint.server.sessionIds).to.deep.equal([]);
    });
  });
});
