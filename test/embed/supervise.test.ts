import { expect } from 'chai';
import {
  ConfigError,
  SessionDeathError,
  SessionStartError,
  supervise,
  type SuperviseTools,
} from 'webdriver-supervisor';
import { rejectionOf } from '../support/rejection.ts';
import { openEndpoint, startsOf } from './support.ts';

describe('supervise', () => {
  it('starts a session, returns the body’s value and ends the session', async () => {
    await using endpoint = await openEndpoint();
    const { server, options } = endpoint;
    const value = await supervise(async ({ driver, attempt, signal }) => {
      expect(attempt).to.equal(1);
      expect(signal.aborted).to.equal(false);
      expect(server.sessionIds).to.have.length(1);
      return driver.getTitle();
    }, options);
    expect(value).to.contain('Title');
    expect(server.sessionIds).to.deep.equal([]);
    expect(startsOf(server)).to.equal(1);
  });

  it('gives the body a driver and a client that are typed', () => {
    type IsAny<Type> = 0 extends 1 & Type ? true : false;
    const isAny: [IsAny<SuperviseTools['driver']>, IsAny<SuperviseTools['api']>] = [false, false];
    expect(isAny).to.deep.equal([false, false]);
  });

  it('runs the body again on a new session when the session died, and calls `onRetry` before', async () => {
    await using endpoint = await openEndpoint();
    const { server, options } = endpoint;
    const seen: unknown[] = [];
    const drivers = new Set<unknown>();
    const value = await supervise(
      async ({ driver, attempt }) => {
        drivers.add(driver);
        seen.push(`attempt ${attempt}`);
        if (attempt === 1) server.endSession();
        return driver.getTitle();
      },
      { ...options, onRetry: ({ death, attempt }) => void seen.push(`${death.cause} before ${attempt}`) },
    );
    expect(value).to.contain('Title');
    expect(seen).to.deep.equal(['attempt 1', 'session-removed before 2', 'attempt 2']);
    expect(drivers.size).to.equal(2);
    expect(server.sessionIds).to.deep.equal([]);
  });

  it('aborts the signal when the session dies, and does not wait for a body that ignores it for long', async () => {
    await using endpoint = await openEndpoint();
    const { server, options } = endpoint;
    const reasons: unknown[] = [];
    await supervise(async ({ driver, signal, attempt }) => {
      if (attempt === 2) return;
      const aborted = new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve(signal.reason), { once: true });
      });
      server.endSession();
      driver.getTitle().catch(() => undefined);
      reasons.push(await aborted);
    }, options);
    expect(reasons[0]).to.be.instanceOf(SessionDeathError);
  });

  it('takes no value of a body that swallowed the death', async () => {
    await using endpoint = await openEndpoint();
    const { server, options } = endpoint;
    const titles = await supervise(async ({ driver, attempt }) => {
      if (attempt === 1) server.endSession();
      return driver.getTitle().catch(() => 'nothing');
    }, options);
    expect(titles).to.contain('Title');
  });

  it('takes no value of a session whose death is not noticed yet', async () => {
    await using endpoint = await openEndpoint();
    const { server, options } = endpoint;
    const attempts = await supervise(({ attempt }) => {
      if (attempt === 1) server.endSession();
      return attempt;
    }, options);
    expect(attempts).to.equal(2);
  });

  it('throws the supervisor’s own death error after the last retry, not the error that the body threw instead', async () => {
    await using endpoint = await openEndpoint();
    const { server, options } = endpoint;
    let attempts = 0;
    const error = await rejectionOf(
      supervise(
        async ({ driver }) => {
          attempts += 1;
          server.endSession();
          await driver.getTitle().catch((cause: unknown) => {
            throw new Error('no cart', { cause });
          });
        },
        { ...options, retries: 1 },
      ),
    );
    expect(error).to.be.instanceOf(SessionDeathError);
    expect((error as SessionDeathError).death.epoch).to.equal(2);
    expect(attempts).to.equal(2);
    expect(server.sessionIds).to.deep.equal([]);
  });

  it('runs the body once if no retry is allowed', async () => {
    await using endpoint = await openEndpoint();
    const { server, options } = endpoint;
    const error = await rejectionOf(
      supervise(
        ({ driver }) => {
          server.endSession();
          return driver.getTitle();
        },
        { ...options, retries: 0 },
      ),
    );
    expect(error).to.be.instanceOf(SessionDeathError);
    expect(startsOf(server)).to.equal(1);
  });

  it('throws an error of the body as it is, at once', async () => {
    await using endpoint = await openEndpoint();
    const { server, options } = endpoint;
    const own = new Error('3 items expected');
    const stack = own.stack;
    const error = await rejectionOf(
      supervise(async ({ driver }) => {
        await driver.getTitle();
        throw own;
      }, options),
    );
    expect(error).to.equal(own);
    expect(error.stack).to.equal(stack);
    expect(startsOf(server)).to.equal(1);
    expect(server.sessionIds).to.deep.equal([]);
  });

  it('throws a value that is not an Error unchanged, and a synchronous error too', async () => {
    await using endpoint = await openEndpoint();
    for (const thrown of ['text', undefined]) {
      const caught = await supervise((): string => {
        // oxlint-disable-next-line typescript/only-throw-error -- users' code does
        throw thrown;
      }, endpoint.options).catch((value: unknown) => [value]);
      expect(caught).to.deep.equal([thrown]);
    }
  });

  it('takes the value of a body that ended its session itself', async () => {
    await using endpoint = await openEndpoint();
    const value = await supervise(async ({ driver, signal }) => {
      await driver.quit();
      expect(signal.aborted, 'an end that was asked for is no death').to.equal(false);
      return 'done';
    }, endpoint.options);
    expect(value).to.equal('done');
    expect(startsOf(endpoint.server)).to.equal(1);
  });

  it('begins each attempt with an empty browser', async () => {
    await using endpoint = await openEndpoint();
    const { server, options } = endpoint;
    await supervise(async ({ driver, attempt }) => {
      if (attempt === 1) await driver.get('http://shop.test/cart');
      if (attempt === 1) server.endSession();
      return driver.getTitle();
    }, options);
    expect(server.requests.filter(({ path }) => path.endsWith('/url'))).to.have.length(1);
  });

  it('fails if the API failed too often in a row, although the body swallowed that', async () => {
    await using endpoint = await openEndpoint();
    const { options, server } = endpoint;
    server.answer('GET /items', { status: 500, body: '' });
    const error = await rejectionOf(
      supervise(({ api }) => api.json(`${server.url}/items`).catch(() => []), {
        ...options,
        apiRetries: 0,
        criticalFailureThreshold: 1,
      }),
    );
    expect(error.name).to.equal('CriticalFailureError');
  });

  it('ends with the reason of the caller’s signal: before it starts, in the body, and between two attempts', async () => {
    await using endpoint = await openEndpoint();
    const { server, options } = endpoint;
    const reason = new Error('Ctrl+C');
    expect(await rejectionOf(supervise(() => 1, { ...options, signal: AbortSignal.abort(reason) }))).to.equal(reason);
    expect(startsOf(server)).to.equal(0);

    const inBody = new AbortController();
    const error = await rejectionOf(
      supervise(
        async ({ signal }) => {
          inBody.abort(reason);
          expect(signal.reason).to.equal(reason);
          return 'swallowed';
        },
        { ...options, signal: inBody.signal },
      ),
    );
    expect(error).to.equal(reason);

    const between = new AbortController();
    const later = await rejectionOf(
      supervise(
        ({ driver }) => {
          server.endSession();
          return driver.getTitle();
        },
        { ...options, signal: between.signal, onRetry: () => between.abort(reason) },
      ),
    );
    expect(later).to.equal(reason);
    expect(server.sessionIds).to.deep.equal([]);
  });

  it('ends with an error of onRetry', async () => {
    await using endpoint = await openEndpoint();
    const { server, options } = endpoint;
    const own = new Error('not again');
    const error = await rejectionOf(
      supervise(
        ({ driver }) => {
          server.endSession();
          return driver.getTitle();
        },
        { ...options, onRetry: () => Promise.reject(own) },
      ),
    );
    expect(error).to.equal(own);
    expect(startsOf(server)).to.equal(1);
  });

  it('throws the start error of a first session that can’t be had', async () => {
    await using endpoint = await openEndpoint();
    endpoint.server.answer('POST /session', { error: 'session not created', message: 'no more slots' });
    expect(await rejectionOf(supervise(() => 1, endpoint.options))).to.be.instanceOf(SessionStartError);
  });

  for (const [title, call, message] of [
    ['no function', { body: 'text' }, 'supervise takes a function'],
    ['an unknown option', { options: { retry: 1 } }, 'supervise has no option retry. Did you mean retries?'],
    ['a number of retries that is none', { options: { retries: '2' } }, 'The option retries must be a whole number'],
    ['an onRetry that is none', { options: { onRetry: true } }, 'The option onRetry must be a function, and is true.'],
    [
      'an option of the supervisor',
      { options: { heartbeatIntervalMs: '5' } },
      'The option heartbeatIntervalMs must be',
    ],
    [
      'an option of the browser',
      { options: { headless: 'no' } },
      'The option headless must be true or false, and is a',
    ],
    ['a part of an option', { options: { perHost: { concurrency: 0 } } }, 'perHost.concurrency is 0'],
    ['options that are none', { options: null }, 'supervise takes an object of options, and was given null.'],
  ] as const) {
    it(`refuses ${title} before a browser starts`, async () => {
      await using endpoint = await openEndpoint();
      const { body = () => 1, options = {} } = call as { body?: () => number; options?: object };
      const given = options === null ? options : { ...endpoint.options, ...options };
      const error = await rejectionOf(supervise(body, given as object));
      expect(error).to.be.instanceOf(ConfigError);
      expect(error.message).to.contain(message);
      expect(startsOf(endpoint.server)).to.equal(0);
    });
  }
});
