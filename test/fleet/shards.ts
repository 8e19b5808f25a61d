import { Client } from 'pg';
import { defineAction, z, type Action } from 'webdriver-supervisor';
import { openScriptedWebDriver, type ScriptedWebDriver } from 'webdriver-supervisor/testing';

import { silentLog } from '../../src/core/log.ts';
import { enqueue, openQueue, Worker, type Enqueued, type Queue, type WorkerOptions } from '../../src/fleet/fleet.ts';
import type { StoredRun } from '../../src/model/run.ts';
import { openRegistry, type Registry } from '../../src/registry/registry.ts';
import type { ActionContext } from '../../src/runs/runs.ts';
import { eventually } from '../support/eventually.ts';
import { makeTestConfig } from '../support/scripted-run.ts';
import { sharedPostgres } from '../support/shared-postgres.ts';

type Work = (context: ActionContext<{ part: string }>) => Promise<void> | void;

/** Returns an action with one shard for each letter of `part`. */
export function lettersAction(run: Work, { name = 'letters' } = {}): Action {
  return defineAction({
    name,
    description: 'An action of a test.',
    params: z.object({ part: z.string() }),
    shards: ({ part }) => part.split('').map((letter) => ({ part: letter })),
    run,
  }) as Action;
}

/** A registry in PostgreSQL with a queue, workers in this process, and a WebDriver server without a browser. */
export class FleetStage implements AsyncDisposable {
  readonly url: string;
  readonly registry: Registry;
  readonly queue: Queue;
  readonly server: ScriptedWebDriver;
  readonly #workers: Queue[] = [];

  static async open(): Promise<FleetStage> {
    const url = await (await sharedPostgres()).createDatabase();
    const registry = await openRegistry(url);
    const queue = await openQueue(url, 'A test needs', { log: silentLog });
    return new FleetStage({ url, registry, queue, server: await openScriptedWebDriver() });
  }

  private constructor(parts: Pick<FleetStage, 'url' | 'registry' | 'queue' | 'server'>) {
    ({ url: this.url, registry: this.registry, queue: this.queue, server: this.server } = parts);
  }

  get parts(): { readonly registry: Registry; readonly queue: Queue } {
    return { registry: this.registry, queue: this.queue };
  }

  enqueue(action: Action, part: string, options: { retries?: number; queueName?: string } = {}): Promise<Enqueued> {
    return enqueue(action, { part }, { ...this.parts, ...options });
  }

  async work(actions: readonly Action[], options: Partial<WorkerOptions> = {}): Promise<Worker> {
    const queue = await openQueue(this.url, 'A test needs', { log: silentLog, isWorker: true });
    this.#workers.push(queue);
    return Worker.start({
      registry: this.registry,
      queue,
      config: makeTestConfig(),
      log: silentLog,
      supervisor: { gridUrl: this.server.url },
      loadAction: async (target) => {
        const action = actions.find(({ name }) => name === target);
        if (action === undefined) throw new Error(`There is no action "${target}".`);
        return { action };
      },
      ...options,
    });
  }

  async untilOver(id: string): Promise<StoredRun> {
    return eventually(
      async () => {
        const run = await this.registry.runs.get(id);
        return run !== undefined && run.endedAt !== null ? run : undefined;
      },
      `the end of the run ${id}`,
      60_000,
    );
  }

  async recordsOf(id: string): Promise<unknown[]> {
    const entries = await Array.fromAsync(this.registry.runs.listRecords(id));
    return entries.map(({ json }) => JSON.parse(json) as unknown);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#workers) await worker[Symbol.asyncDispose]();
    await this.queue[Symbol.asyncDispose]();
    await this.server.close();
    await this.registry.close();
  }
}

/** Runs statements in the database of `url`, as an operator does. */
export async function withClient(url: string, work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
