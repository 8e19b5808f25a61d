/**
 * The monitor shows the state of a registry, cleans it up and sends alerts. Its invariants: another process can rebuild everything that
 * it shows from the registry; it never communicates with a supervisor; it answers within two seconds, and reports it if the registry does
 * not answer; a failure in it affects no run.
 */
import type { Config } from '../config/config.ts';
import { silentLog, type Log } from '../core/log.ts';
import { assertInstalled, importOptional } from '../core/optional-package.ts';
import { isPostgresUrl } from '../registry/registry.ts';
import { openSinks, sinkFeatures } from './alerts/sinks.ts';
import { byName, type CommandLine } from './command-line.ts';
import type { OpenedServer } from './http/server.ts';
import { Watch } from './watch.ts';

export { judgeAlerts, listFiring, readHealth, toHealthLimits, type HealthLimits, type HealthReport } from './health.ts';
export { toHealthView, toStuckView } from './http/views.ts';
export { lookForStuck } from './sweeper.ts';
export type { CommandLine } from './command-line.ts';

export interface MonitorOptions {
  readonly config: Config;
  /** Default: nothing is logged. */
  readonly log?: Log;
  /** Returns commands as the user types them, for messages. Default: commands begin with the program's own name. */
  readonly commandLine?: CommandLine;
}

export class Monitor implements AsyncDisposable {
  /** The address of the HTTP server, such as `http://127.0.0.1:9464`. */
  readonly url: string;
  readonly #watch: Watch;
  readonly #server: OpenedServer;
  #closed: Promise<void> | undefined;

  /**
   * Starts to listen. If the registry can't be reached, the monitor reports that, and starts its jobs when the registry is open. Throws
   * `ConfigError` if the settings can't be used, or if packages that they need are not installed.
   */
  static async open({ config, log = silentLog, commandLine = byName }: MonitorOptions): Promise<Monitor> {
    assertInstalled(
      'monitor',
      ...(isPostgresUrl(config.registryUrl) ? (['postgres'] as const) : []),
      ...sinkFeatures(config),
    );
    // Only the monitor needs the server. Other importers of this module should not load it.
    const { openServer } = await importOptional('monitor', () => import('./http/server.ts'));
    // The sinks are opened before the registry, so that a wrong address leaves nothing open.
    const watch = await Watch.open({ config, log, commandLine }, await openSinks(config, log));
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

  /** Reports that it is not ready, finishes the work that runs, releases the leadership, and then closes the last connections. */
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
