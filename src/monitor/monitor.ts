/**
 * The room of whoever is on call. Its laws: all that it says can be rebuilt from the registry by another process; it never talks to a
 * supervisor; it answers within two seconds, and says so where the registry doesn't; whatever fails in it harms no run.
 */
import type { Config } from '../config/config.ts';
import { silentLog, type Log } from '../core/log.ts';
import { byName, type CommandLine } from './command-line.ts';
import type { OpenedServer } from './http/server.ts';
import { Watch } from './watch.ts';

export { readHealth, toHealthLimits, type HealthLimits, type HealthReport } from './health.ts';
export { toHealthView, toStuckView } from './http/views.ts';
export { lookForStuck } from './sweeper.ts';
export type { CommandLine } from './command-line.ts';

export interface MonitorOptions {
  readonly config: Config;
  /** Default: nothing is logged. */
  readonly log?: Log;
  /** How commands are typed here, for messages. Default: by the program's own name. */
  readonly commandLine?: CommandLine;
}

export class Monitor implements AsyncDisposable {
  /** Where it listens, such as `http://127.0.0.1:9464`. */
  readonly url: string;
  readonly #watch: Watch;
  readonly #server: OpenedServer;
  #closed: Promise<void> | undefined;

  /**
   * Begins to listen, also while the registry can't be reached: it says so, and begins its work when it can. Throws `ConfigError` where the
   * settings can't be used.
   */
  static async open({ config, log = silentLog, commandLine = byName }: MonitorOptions): Promise<Monitor> {
    // The server and the ways to people are for this program alone; others ask this room for what they show.
    const [{ openServer }, { openSinks }] = await Promise.all([
      import('./http/server.ts'),
      import('./alerts/sinks.ts'),
    ]);
    // Before the registry is opened: a wrong address must leave nothing open.
    const watch = await Watch.open({ config, log, commandLine }, openSinks(config, log));
    const { monitorHost: host, monitorPort: port, monitorToken: token } = config;
    try {
      return new Monitor(watch, await openServer({ host, port, token, context: watch.context }));
    } catch (thrown) {
      await watch.close();
      throw thrown;
    }
  }

  private constructor(watch: Watch, server: OpenedServer) {
    this.#watch = watch;
    this.#server = server;
    this.url = server.url;
  }

  /** Ready no more, then what is under way is finished, the office given back, and the last connection ended. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#watch.retire();
    await this.#server.close();
    await this.#watch.close();
  }
}
