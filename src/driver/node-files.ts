/** The files that a browser of a Selenium Grid has downloaded, on its node. The requests don't queue behind the commands of the session. */
import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { anySignal } from '../core/abort.ts';
import { SupervisorError } from '../core/errors.ts';
import { PRIVATE_FILE_MODE } from '../core/folders.ts';
import { redactUrl } from '../core/redact.ts';
import type { HttpClient } from './http-client.ts';
import { loadSelenium } from './selenium.ts';
import { firstLine, parseFailure } from './verdicts.ts';

const LIST_LIMIT_MS = 10_000;
/** Grid 4.47 for a node without managed downloads, and for a session that was not asked for with them (measured). */
const NEVER_SENT = /enable management of downloads|find downloads file system/i;

/** This program can't read the browser's downloads. */
export class DownloadsUnavailableError extends SupervisorError {
  readonly code = 'downloads-unavailable';
  readonly consequence = 'fail-step';
}

/** Selenium's reader of zip files. */
interface ZipReader {
  readonly load: (file: string) => Promise<{ readonly getFile: (name: string) => Promise<Buffer> }>;
}

export class NodeFiles {
  readonly #http: HttpClient;
  readonly #path: string;

  constructor(http: HttpClient, sessionId: string) {
    this.#http = http;
    this.#path = `/session/${sessionId}/se/files`;
  }

  /** Returns the names of all files, also of those that are not complete. */
  async list(signal: AbortSignal): Promise<readonly string[]> {
    const { names = [] } = await this.#ask<{ names?: readonly string[] }>('GET', undefined, {
      signal: anySignal(signal, AbortSignal.timeout(LIST_LIMIT_MS)),
    });
    // A name with a folder is none of a file that the browser has saved.
    return names.filter((name) => path.basename(name) === name);
  }

  /** Copies the file `name` into `folder` on this machine, with the same name. */
  async copy(name: string, folder: string, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    const file = path.join(folder, name);
    // Grid 4.47 takes a space in the path for a plus sign (measured), which is the name of another file.
    if (!name.includes(' ')) {
      const request = { method: 'GET', path: `${this.#path}/${encodeURIComponent(name)}`, saveTo: file, signal };
      const { status } = await this.#http.send(request);
      if (status === 200) return;
    }
    await this.#copyArchive(name, file, signal);
  }

  /** Copies a file as an older Grid sends it: as a zip file in base64. Grid and node need several times its size in memory for that. */
  async #copyArchive(name: string, file: string, signal: AbortSignal): Promise<void> {
    const { contents = '' } = await this.#ask<{ contents?: string }>('POST', { name }, { signal });
    const archive = path.join(path.dirname(file), `.archive-${randomBytes(4).toString('hex')}`);
    try {
      await writeFile(archive, contents, { encoding: 'base64', mode: PRIVATE_FILE_MODE });
      const zip = await loadSelenium<ZipReader>('io/zip.js').load(archive);
      await writeFile(file, await zip.getFile(name), { mode: PRIVATE_FILE_MODE });
    } finally {
      await rm(archive, { force: true });
    }
  }

  /** Removes all files from the node. */
  async clear(signal: AbortSignal): Promise<void> {
    await this.#ask('DELETE', undefined, { signal: anySignal(signal, AbortSignal.timeout(LIST_LIMIT_MS)) });
  }

  /** Throws {@link DownloadsUnavailableError} if the Grid will never send the files of this session. */
  async #ask<Value extends object>(
    method: string,
    given: object | undefined,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Partial<Value>> {
    const body = given === undefined ? {} : { body: JSON.stringify(given) };
    const answer = await this.#http.send({ method, path: this.#path, ...body, signal });
    if (answer.status === 200) return (JSON.parse(answer.body) as { value: Partial<Value> | null }).value ?? {};
    const message = firstLine(parseFailure(answer.body).message);
    if (NEVER_SENT.test(message)) throw new DownloadsUnavailableError(describeMissing(this.#http.url));
    throw new Error(message || `the answer has the status ${answer.status}`);
  }
}

/** Returns the message for a Grid that does not send the downloads of a session. */
export function describeMissing(url: string): string {
  return (
    `The browser runs on a node of the Grid ${redactUrl(url)}, which does not send the downloads of this session. Start the nodes with ` +
    '`--enable-managed-downloads true`. If only some nodes have it, also set BROWSER_CAPABILITIES={"se:downloadsEnabled":true}.'
  );
}
