import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { expect } from 'chai';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import { SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { kill } from './support.ts';

const COUNT = 12;
/** The number of requests of one kind that may begin in one turn. */
const MAX_IN_TURN = 4;
/** Node.js publishes each request that it begins to send. */
const CHANNEL = 'http.client.request.start';
const LONG_MS = 3_600_000;

/** Counts the requests of this process, and the turns of the event loop in which they begin. */
class Requests implements Disposable {
  readonly #begun: { readonly label: string; readonly turn: number }[] = [];
  #turn = 0;
  onBegin: (label: string) => void = () => undefined;
  readonly #note = (message: unknown) => {
    const { method, path } = (message as { request: ClientRequest }).request;
    const label = `${method} ${path.replace(/^(\/session\/).*/, '$1{id}')}`;
    this.#begun.push({ label, turn: this.#turn });
    this.onBegin(label);
  };

  constructor() {
    subscribe(CHANNEL, this.#note);
  }

  [Symbol.dispose](): void {
    unsubscribe(CHANNEL, this.#note);
  }

  count(label: string): number {
    return this.#of(label).length;
  }

  /** Returns the largest number of requests that began in one turn. */
  mostInTurn(label: string): number {
    const turns = Map.groupBy(this.#of(label), ({ turn }) => turn);
    return Math.max(...[...turns.values()].map((requests) => requests.length));
  }

  /** Counts the turns until `work` settles. */
  async during(work: Promise<unknown>): Promise<void> {
    const over = new AbortController();
    const settle = () => over.abort();
    work.then(settle, settle);
    while (!over.signal.aborted) {
      await nextTurn();
      this.#turn += 1;
    }
    await work;
  }

  #of(label: string) {
    return this.#begun.filter((request) => request.label === label);
  }
}

async function startMany() {
  const server = await openScriptedWebDriver();
  const options = { gridUrl: server.url, heartbeatIntervalMs: LONG_MS };
  const supervisors: SessionSupervisor[] = [];
  for (let number = 0; number < COUNT; number += 1) supervisors.push(await SessionSupervisor.start(options));
  return {
    server,
    supervisors,
    async [Symbol.asyncDispose]() {
      await Promise.all(supervisors.map((supervisor) => supervisor.stop()));
      await server.close();
    },
  };
}

describe('Many sessions that die at once', () => {
  it('are all declared dead at once, and are ended and started again a few in each turn of the event loop', async () => {
    await using many = await startMany();
    const { supervisors, server } = many;
    using requests = new Requests();
    for (const supervisor of supervisors) kill(supervisor);
    expect(supervisors.every((supervisor) => supervisor.shouldHaltOperations() && supervisor.signal.aborted)).to.equal(
      true,
    );
    expect(requests.count('DELETE /session/{id}')).to.be.at.most(MAX_IN_TURN);
    await requests.during(Promise.all(supervisors.map((supervisor) => supervisor.restart())));
    expect(requests.count('DELETE /session/{id}')).to.equal(COUNT);
    expect(requests.count('POST /session')).to.equal(COUNT);
    expect(requests.mostInTurn('DELETE /session/{id}')).to.be.at.most(MAX_IN_TURN);
    expect(requests.mostInTurn('POST /session')).to.be.at.most(MAX_IN_TURN);
    expect(new Set(server.sessionIds)).to.deep.equal(new Set(supervisors.map(({ sessionId }) => sessionId)));
  });

  it('start no session for a supervisor that is stopped while its start waits', async () => {
    await using many = await startMany();
    const { supervisors, server } = many;
    using requests = new Requests();
    const last = supervisors.at(-1);
    for (const supervisor of supervisors) kill(supervisor);
    let stopping: Promise<void> | undefined;
    requests.onBegin = (label) => {
      if (label === 'POST /session') stopping ??= last?.stop();
    };
    const outcomes = await Promise.allSettled(supervisors.map((supervisor) => supervisor.restart()));
    await stopping;
    expect(outcomes.map(({ status }) => status)).to.deep.equal([
      ...Array.from({ length: COUNT - 1 }, () => 'fulfilled'),
      'rejected',
    ]);
    expect(requests.count('POST /session')).to.equal(COUNT - 1);
    expect(server.sessionIds).to.have.length(COUNT - 1);
  });
});
