/**
 * A proxy auto-configuration (PAC) file: a script that names the proxy of each URL. It runs in its own interpreter, isolated from Node.js.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { createPacResolver } from 'pac-resolver';
import { QuickJS } from 'quickjs-wasi';
import { Agent, Dispatcher1Wrapper } from 'undici';

import { anySignal, withDeadline } from '../../core/abort.ts';
import { toBasicAuth } from '../../core/basic-auth.ts';
import { redactUrl } from '../../core/redact.ts';
import { parsePacAnswer, type ProxyServer } from './proxy-rules.ts';

const INTERPRETER = fileURLToPath(import.meta.resolve('quickjs-wasi/quickjs.wasm'));
/** The time limit for the download of the file. */
const LOAD_LIMIT_MS = 10_000;
/** The time for which the script may block the event loop. */
const RUN_LIMIT_MS = 750;
/** The time limit of one answer, DNS look-ups included. */
const ANSWER_LIMIT_MS = 10_000;
const MEMORY_LIMIT_BYTES = 64 * 1024 * 1024;

export class PacFile {
  readonly #resolve: (url: string) => Promise<string>;
  readonly #watch: RunWatch;

  /** Loads the file from an `http`, `https`, `file` or `data` URL. Rejects if it does not exist or is not such a script. */
  static async load(url: string, signal?: AbortSignal): Promise<PacFile> {
    const script = url.startsWith('file:') ? await readFile(fileURLToPath(url), 'utf8') : await download(url, signal);
    const watch = new RunWatch();
    const interpreter = await QuickJS.create({
      wasm: await readFile(INTERPRETER),
      memoryLimit: MEMORY_LIMIT_BYTES,
      interruptHandler: () => watch.isOver(),
    });
    const sandbox = { alert: () => undefined };
    return new PacFile(createPacResolver(interpreter, script, { sandbox }), watch);
  }

  private constructor(resolve: (url: string) => Promise<string>, watch: RunWatch) {
    this.#resolve = resolve;
    this.#watch = watch;
  }

  /**
   * Returns the servers through which `url` is reached, the preferred one first. After the script has exceeded its time limit once, every
   * call rejects.
   */
  async serversFor(url: string): Promise<readonly ProxyServer[]> {
    if (this.#watch.hasRunOver) throw new Error('an earlier call of the script took too long');
    const { protocol, origin, href } = new URL(url);
    // Chromium passes only the origin of a secure URL to a PAC file.
    const answer = this.#resolve(protocol === 'https:' ? `${origin}/` : href);
    return parsePacAnswer(await withDeadline(answer, ANSWER_LIMIT_MS, 'The answer of the PAC file'));
  }
}

/** Measures how long the interpreter blocks the event loop. */
class RunWatch {
  hasRunOver = false;
  #startedAt: number | undefined;

  /** Called by the interpreter repeatedly while it runs. */
  isOver(): boolean {
    if (this.#startedAt === undefined) {
      this.#startedAt = performance.now();
      setImmediate(() => (this.#startedAt = undefined));
    }
    this.hasRunOver ||= performance.now() - this.#startedAt > RUN_LIMIT_MS;
    return this.hasRunOver;
  }
}

/** Downloads the file without a proxy, also if the environment names one, as Chromium does. */
async function download(href: string, session: AbortSignal | undefined): Promise<string> {
  const url = new URL(href);
  const authorization = toBasicAuth(url);
  url.username = '';
  url.password = '';
  const agent = new Agent();
  try {
    const signal = anySignal(session, AbortSignal.timeout(LOAD_LIMIT_MS));
    const headers = authorization === undefined ? {} : { authorization };
    const way: object = { dispatcher: new Dispatcher1Wrapper(agent) };
    const response = await fetch(url, { signal, headers, ...way });
    if (!response.ok) throw new Error(`${redactUrl(href)} answered ${response.status}`);
    return await response.text();
  } finally {
    await agent.destroy();
  }
}
