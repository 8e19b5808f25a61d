import { setTimeout as delay } from 'node:timers/promises';

import { expect } from 'chai';
import { killProcess, openScriptedWebDriver, type ScriptedWebDriver } from 'webdriver-supervisor/testing';

import type { DeathCause } from '../../src/model/death.ts';
import { openBidiServer } from './support/bidi-server.ts';
import { openDevToolsServer, type DevToolsServer } from './support/devtools-server.ts';
import { driverProgramFor } from './support/programs.ts';
import { openSession } from './support/sessions.ts';

/** The delays after a sign. All signs of a killed browser arrive within about 50 ms (measured). */
const GAPS_MS = [0, 50];

/** An effect of a death that the driver layer can detect. */
type Sign = 'devtools' | 'bidi' | 'command' | 'driver-exit' | 'heartbeat' | 'tab-crash';

interface Situation {
  readonly what: string;
  readonly hasBidi: boolean;
  readonly signs: readonly Sign[];
  /** The answer of the command in flight; undefined if the connection breaks. */
  readonly answer?: { readonly error: string; readonly message: string };
  /** Changes the browser and the driver to their state after the death. */
  readonly applyTo: (stage: {
    readonly driver: ScriptedWebDriver;
    readonly browser: DevToolsServer;
  }) => PromiseLike<void> | void;
  readonly cause: DeathCause;
}

const BROWSER_CLOSED = {
  error: 'invalid session id',
  message: 'invalid session id: session deleted as the browser has closed the connection',
};
const UNKNOWN_SESSION = { error: 'invalid session id', message: 'invalid session id' };

const SITUATIONS: readonly Situation[] = [
  {
    what: 'a browser that was killed',
    hasBidi: false,
    signs: ['devtools', 'command', 'heartbeat'],
    answer: BROWSER_CLOSED,
    applyTo: ({ browser }) => browser[Symbol.asyncDispose](),
    cause: 'browser-gone',
  },
  {
    what: 'a killed browser of a session with BiDi, which the driver removed',
    hasBidi: true,
    signs: ['devtools', 'bidi', 'command'],
    answer: UNKNOWN_SESSION,
    applyTo: ({ driver, browser }) => {
      driver.answer('GET /sessions', { value: [] });
      return browser[Symbol.asyncDispose]();
    },
    cause: 'browser-gone',
  },
  {
    what: 'a driver that was killed',
    hasBidi: true,
    signs: ['driver-exit', 'bidi', 'command'],
    applyTo: ({ driver }) => driver.refuse(),
    cause: 'driver-gone',
  },
  {
    what: 'a session that another client quit',
    hasBidi: false,
    signs: ['devtools', 'command', 'heartbeat'],
    answer: UNKNOWN_SESSION,
    applyTo: ({ driver, browser }) => {
      driver.answer('GET /sessions', { value: [] });
      return browser[Symbol.asyncDispose]();
    },
    cause: 'session-removed',
  },
  {
    what: 'a tab that crashed',
    hasBidi: false,
    signs: ['tab-crash', 'command', 'heartbeat'],
    answer: { error: 'unknown error', message: 'tab crashed' },
    applyTo: () => undefined,
    cause: 'tab-crashed',
  },
];

function permute<Value>(values: readonly Value[]): Value[][] {
  if (values.length <= 1) return [[...values]];
  return values.flatMap((value) => permute(values.filter((other) => other !== value)).map((rest) => [value, ...rest]));
}

async function dieInOrder(
  { hasBidi, answer, applyTo }: Situation,
  order: readonly Sign[],
  gapMs: number,
): Promise<DeathCause> {
  await using browser = await openDevToolsServer({ pages: { s1: 'window-1' } });
  await using bidi = await openBidiServer();
  await using driver = await openScriptedWebDriver({
    capabilities: {
      'goog:chromeOptions': { debuggerAddress: browser.address },
      ...(hasBidi ? { webSocketUrl: bidi.url } : {}),
    },
  });
  driver.answer('GET /sessions', () => ({ value: driver.sessionIds.map((id) => ({ id })) }));
  await using program = await driverProgramFor(driver.port);
  await using s = await openSession(
    { kind: 'own', driverPath: program.path, browserPath: '/opt/chrome' },
    { browser: hasBidi ? { bidi: true } : {} },
  );
  using hold = driver.hold('GET /title');
  const command = s.driver.getTitle().catch(() => undefined);
  await hold.caught;
  await applyTo({ driver, browser });
  if (answer !== undefined) driver.answer('GET /title', answer);
  for (const sign of order) {
    if (sign === 'devtools') browser.drop();
    else if (sign === 'bidi') bidi.drop();
    else if (sign === 'command' && answer === undefined) driver.dropConnections();
    else if (sign === 'command') hold.release();
    else if (sign === 'driver-exit') killProcess(s.session.driverProcess!.pid);
    else if (sign === 'heartbeat') void s.session.probe('heartbeat');
    else
      browser.emit({
        method: 'Target.targetCrashed',
        params: { targetId: 'window-1', status: 'crashed', errorCode: 11 },
      });
    if (gapMs > 0) await delay(gapMs);
  }
  const { cause } = await s.died;
  hold.release();
  await command;
  return cause;
}

describe('The cause of a death with several signs', () => {
  for (const situation of SITUATIONS) {
    for (const order of permute(situation.signs)) {
      for (const gapMs of GAPS_MS) {
        it(`is ${situation.cause} for ${situation.what}: ${order.join(', ')}, with ${gapMs} ms after each`, async () => {
          expect(await dieInOrder(situation, order, gapMs)).to.equal(situation.cause);
        });
      }
    }
  }
});
