/** A proxy auto-configuration file: a script that names the proxy of each URL. It runs in an interpreter of its own, apart from Node.js. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { createPacResolver } from 'pac-resolver';
import { QuickJS } from 'quickjs-wasi';

import { redactUrl } from '../../core/redact.ts';
import { parsePacAnswer, type ProxyServer } from './proxy-rules.ts';

const INTERPRETER = fileURLToPath(import.meta.resolve('quickjs-wasi/quickjs.wasm'));
/** The time in which a server must have answered with the file. */
const LOAD_LIMIT_MS = 10_000;

export class PacFile {
  readonly #resolve: (url: string) => Promise<string>;

  /** Loads the file from an `http`, `https`, `file` or `data` URL. Rejects if there is none, or if it is no such script. */
  static async load(url: string): Promise<PacFile> {
    const script = url.startsWith('file:') ? await readFile(fileURLToPath(url), 'utf8') : await download(url);
    const sandbox = { alert: () => undefined };
    return new PacFile(createPacResolver(await QuickJS.create(await readFile(INTERPRETER)), script, { sandbox }));
  }

  private constructor(resolve: (url: string) => Promise<string>) {
    this.#resolve = resolve;
  }

  /** Returns the ways to `url`, the preferred one first. */
  async serversFor(url: string): Promise<readonly ProxyServer[]> {
    const { protocol, origin, href } = new URL(url);
    // Chromium shows a PAC file only the origin of a secure URL.
    return parsePacAnswer(await this.#resolve(protocol === 'https:' ? `${origin}/` : href));
  }
}

async function download(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(LOAD_LIMIT_MS) });
  if (!response.ok) throw new Error(`${redactUrl(url)} answered ${response.status}`);
  return response.text();
}
