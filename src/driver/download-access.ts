/**
 * Access to the downloads of one session's browser. If the browser shares a file system with this program, it can save them in any folder.
 * The files of a browser of a Selenium Grid are on its node, and the Grid sends them if two conditions are met: the node was started with
 * `--enable-managed-downloads true`, and the session was asked for with `se:downloadsEnabled`. A Grid returns that capability also if it was
 * not asked for (measured on 4.47), so the request decides.
 */
import { existsSync } from 'node:fs';

import { redactUrl } from '../core/redact.ts';
import { toPlainCapabilities, type BrowserOptions } from './browser-options.ts';
import type { DevTools } from './devtools.ts';
import type { HttpClient } from './http-client.ts';
import { describeMissing, DownloadsUnavailableError, NodeFiles } from './node-files.ts';
import { isOnGrid } from './on-grid.ts';

/** The capability that asks a Grid to send the files that the browser of a session downloads. */
export const DOWNLOADS_CAPABILITY = 'se:downloadsEnabled';

/** Chromium's name for a file that is not complete. */
const UNFINISHED_IN_CHROMIUM = /\.crdownload$|^\.(com\.google\.Chrome|org\.chromium\.Chromium)\./;
const UNFINISHED_IN_FIREFOX = /\.part$/;

export interface DownloadParts {
  readonly http: HttpClient;
  readonly session: { readonly id: string; readonly capabilities: Readonly<Record<string, unknown>> };
  /** Undefined if the browser offers no DevTools, and while a broken connection is being restored. */
  readonly devtools: () => DevTools | undefined;
  /** Returns whether the browser has offered DevTools. */
  readonly hadDevTools: () => boolean;
  readonly options: BrowserOptions;
  /** True if this program's own driver started the browser. */
  readonly isOwn: boolean;
}

export class DownloadAccess {
  readonly #parts: DownloadParts;

  constructor(parts: DownloadParts) {
    this.#parts = parts;
  }

  /**
   * The files on the node of a Grid. Undefined if the browser saves its downloads on this machine. Throws {@link DownloadsUnavailableError}
   * if it runs on another machine that does not send them.
   */
  get nodeFiles(): NodeFiles | undefined {
    const { http, session, options, isOwn, hadDevTools } = this.#parts;
    if (isOwn) return undefined;
    const isGrid = isOnGrid(Object.keys(session.capabilities));
    if (isGrid && toPlainCapabilities(options.capabilities ?? {})[DOWNLOADS_CAPABILITY] === true)
      return new NodeFiles(http, session.id);
    const profile = profileOf(session.capabilities);
    // A Grid sends the files of a browser without DevTools too.
    if ((profile === undefined || existsSync(profile)) && (hadDevTools() || !isGrid)) return undefined;
    throw new DownloadsUnavailableError(
      isGrid
        ? describeMissing(http.url)
        : `The browser runs on another machine, and the driver at ${redactUrl(http.url)} does not send downloads. Use a Selenium Grid ` +
            'there, whose nodes are started with `--enable-managed-downloads true`, or a browser on this machine.',
      { data: { endpoint: redactUrl(http.url) } },
    );
  }

  /** Returns true if a file of this name belongs to a download that is not complete. */
  isUnfinished(name: string): boolean {
    const isFirefox = this.#parts.session.capabilities['browserName'] === 'firefox';
    return (isFirefox ? UNFINISHED_IN_FIREFOX : UNFINISHED_IN_CHROMIUM).test(name);
  }

  /** Makes the browser save downloads in `folder` from now on. Rejects if the browser offers no DevTools. */
  async setFolder(folder: string): Promise<void> {
    const devtools = this.#parts.devtools();
    if (devtools === undefined)
      throw new Error('The download folder can be set only through DevTools, which this browser does not offer.');
    await devtools.call('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: folder });
  }
}

/** Returns the browser's profile folder. Its name is random, so a folder of that name on this machine is the browser's own. */
function profileOf(capabilities: Readonly<Record<string, unknown>>): string | undefined {
  const { chrome, msedge, 'moz:profile': firefox } = capabilities;
  const folders = [chrome, msedge].map((value) => (value as { userDataDir?: unknown } | undefined)?.userDataDir);
  return [...folders, firefox].find((folder) => typeof folder === 'string');
}
