/**
 * Measures many idle sessions in one process, the renewal of their leases, and the recovery from very many deaths at once. The server and
 * each candidate have a process of their own, and only the CPU time of the candidate counts.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { TestPostgres } from '../../test/support/postgres.ts';
import { ms, toSample, type Row } from './measure.ts';
import type { Answer, Question } from './many-sessions-client.ts';

const MANY = 10_000;
const FEW = 1_000;
const ROUNDS = 3;
const STORMS = 5;
/** Each session is probed twice in this time. */
const IDLE_MS = 10_000;
const MAX_LOAD = 0.5;
const MAX_BYTES = 50_000;
const MAX_LEASED_LOAD = 0.15;
const MAX_STALL_MS = 50;

class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  /** The first message. */
  readonly #first: Promise<unknown>;

  constructor(file: string, ...args: string[]) {
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), args);
    this.#first = this.#next();
  }

  started(): Promise<unknown> {
    return this.#first;
  }

  async ask(question: Question | 'end'): Promise<Answer> {
    const answer = this.#next();
    this.#process.send(question);
    return (await answer) as Answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }

  async #next(): Promise<unknown> {
    const exited = once(this.#process, 'exit').then(() => {
      throw new Error('a process of the benchmark ended too early');
    });
    exited.catch(() => undefined);
    const [message] = (await Promise.race([once(this.#process, 'message'), exited])) as unknown[];
    return message;
  }
}

export async function measureManySessions(): Promise<Row[]> {
  return [...(await measureIdle()), await measureLeased(), await measureStorm()];
}

/** Measures idle sessions beside bare drivers whose windows are polled at the same interval, twice, to show the noise. */
async function measureIdle(): Promise<Row[]> {
  const [supervised, bare, again]: [Answer[], Answer[], Answer[]] = [[], [], []];
  for (const [candidate, answers] of [
    ['bare', bare],
    ['supervised', supervised],
    ['bare', again],
  ] as const)
    answers.push(...(await measureOne(candidate, MANY)));
  const load = medianLoad(supervised);
  const bytes = toSample(supervised.map(({ bytesPerSession }) => bytesPerSession)).median;
  const bareBytes = toSample(bare.map(({ bytesPerSession }) => bytesPerSession)).median;
  return [
    {
      what: `${MANY} idle sessions in one process, CPU time (bare drivers, polled every 5 s, in the same run)`,
      measured: `${percent(load)} of a core (${percent(medianLoad(bare))}; again ${percent(medianLoad(again))}), ratio ${(load / medianLoad(bare)).toFixed(2)}`,
      goal: `≤ ${percent(MAX_LOAD)}`,
      isMet: load <= MAX_LOAD,
    },
    {
      what: `memory of one of ${MANY} idle sessions (of a bare driver)`,
      measured: `${kilobytes(bytes)} (${kilobytes(bareBytes)})`,
      goal: `≤ ${kilobytes(MAX_BYTES)}`,
      isMet: bytes <= MAX_BYTES,
    },
  ];
}

async function measureLeased(): Promise<Row> {
  await using postgres = await TestPostgres.start();
  const load = medianLoad(await measureOne('leased', FEW, await postgres.createDatabase()));
  const plain = medianLoad(await measureOne('supervised', FEW));
  return {
    what: `${FEW} idle sessions with leases in PostgreSQL, CPU time (without leases)`,
    measured: `${percent(load)} of a core (${percent(plain)})`,
    goal: `≤ ${percent(MAX_LEASED_LOAD)}`,
    isMet: load <= MAX_LEASED_LOAD,
  };
}

async function measureStorm(): Promise<Row> {
  await using server = new Child('many-sessions-server.ts');
  const url = String(await server.started());
  await using client = new Child('many-sessions-client.ts', 'supervised', String(FEW), url);
  await client.started();
  const answers: Answer[] = [];
  for (let round = 0; round < STORMS; round += 1) {
    await server.ask('end');
    answers.push(await client.ask({ kind: 'storm' }));
  }
  const recovered = Math.min(...answers.map((answer) => answer.recovered));
  const stall = toSample(answers.map(({ ownStallMs }) => ownStallMs));
  const took = toSample(answers.map(({ tookMs }) => tookMs));
  const longest = Math.max(...answers.map(({ stallMs }) => stallMs));
  return {
    what: `${FEW} deaths within a second, longest turn of the event loop until all sessions are alive again`,
    measured: `${ms(stall.worst)} of CPU time, median ${ms(stall.median)} (${ms(longest)} with other programs), ${recovered} recovered in ${ms(took.median)}`,
    goal: `≤ ${MAX_STALL_MS} ms`,
    isMet: stall.worst <= MAX_STALL_MS && recovered === FEW,
  };
}

async function measureOne(candidate: string, count: number, registryUrl = ''): Promise<Answer[]> {
  await using server = new Child('many-sessions-server.ts');
  const url = String(await server.started());
  await using client = new Child('many-sessions-client.ts', candidate, String(count), url, registryUrl);
  await client.started();
  const answers: Answer[] = [];
  for (let round = 0; round < ROUNDS; round += 1) answers.push(await client.ask({ kind: 'idle', forMs: IDLE_MS }));
  return answers;
}

function medianLoad(answers: readonly Answer[]): number {
  return toSample(answers.map(({ load }) => load)).median;
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1_000).toFixed(1)} KB`;
}
