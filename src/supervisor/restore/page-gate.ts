/**
 * Opens the last page of a dead session when a command of the next session needs it. Code that navigates by itself causes no extra load. If
 * the page can't be opened as it was, the command fails, because work on another page would do wrong things without an error.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { redactUrl } from '../../core/redact.ts';
import {
  UNKNOWN_FINGERPRINT,
  type CommandInfo,
  type PageState,
  type StateAccess,
  type WebDriver,
} from '../../driver/driver.ts';

/** A session whose commands pass through the gate. */
export interface GatedSession {
  readonly browserState: StateAccess;
  readonly driver: WebDriver;
}

/** The page that commands expect. */
export interface ExpectedPage {
  /** The page; null if there was none, undefined if it is not known. */
  readonly page: PageState | null | undefined;
  /** The name of what left the page, as a part of a sentence. */
  readonly leftBy: string;
}

/** The reasons for which a command is refused. */
export interface PageRefusal {
  readonly leftBy: string;
  /** The reason for which the page can't be opened again, as a part of a sentence. */
  readonly reason: string;
  /** The redacted URL of the page; undefined if it is not known or does not matter. */
  readonly url: string | undefined;
}

export interface PageGateOptions {
  /** Makes the error of a command that needs a page that can't be opened again. */
  readonly refuse: (refusal: PageRefusal) => Error;
}

/** The commands that don't use the page. */
const PAGELESS_COMMANDS =
  /^((GET|POST) \/timeouts|(GET|POST|DELETE) \/window(\/.*)?|DELETE \/|POST \/session|POST \/(goog|ms|chromium)\/.*|.* \/se\/.*)$/;
const NAVIGATION_COMMAND = 'POST /url';
const NEW_WINDOW_COMMAND = 'POST /window/new';
const WINDOW_LIST_COMMAND = 'GET /window/handles';
const MOVES_IN_HISTORY = /^POST \/(back|forward)$/;
/** The time that a page's scripts have to fill the page after its load. */
const FILL_LIMIT_MS = 5_000;
const POLL_MS = 50;

export class PageGate {
  readonly #options: PageGateOptions;
  #session: GatedSession | undefined;
  #expected: ExpectedPage | undefined;
  #opening: Promise<void> | undefined;
  /** The name of what left further windows. They are not opened again. */
  #lostWindows: string | undefined;

  constructor(options: PageGateOptions) {
    this.#options = options;
  }

  /** The page that commands still expect; undefined if they accept the current page. */
  get expected(): ExpectedPage | undefined {
    return this.#expected;
  }

  /** True while the gate opens a page with a command of its own. */
  get isOpening(): boolean {
    return this.#opening !== undefined;
  }

  /** Lets the commands of this session pass from now on, without an expected page. */
  reset(session: GatedSession): void {
    this.#session = session;
    this.#expected = undefined;
    this.#lostWindows = undefined;
    this.#opening = undefined;
  }

  /** Sets the page that is opened for the next command that needs a page. */
  expect(expected: ExpectedPage): void {
    const { page, leftBy } = expected;
    this.#expected = expected;
    this.#lostWindows = (page?.windows ?? 1) > 1 ? leftBy : undefined;
  }

  /** The hook before each command; see `SupervisorOptions.beforeCommand`. */
  before({ label, data }: CommandInfo): Promise<void> | undefined {
    if (label === NEW_WINDOW_COMMAND) this.#lostWindows = undefined;
    if (label === WINDOW_LIST_COMMAND && this.#lostWindows !== undefined)
      throw this.#options.refuse({ leftBy: this.#lostWindows, reason: 'it had further windows', url: undefined });
    if (label === NAVIGATION_COMMAND) {
      if (this.#opening === undefined) this.#expected = undefined;
      return undefined;
    }
    if (this.#opening !== undefined) return this.#opening;
    const expected = this.#expected;
    if (expected === undefined || PAGELESS_COMMANDS.test(label)) return undefined;
    // A page that could not be opened stays expected, because commands were not meant for the page that is open instead.
    const opening: Promise<void> = this.#open(expected, { label, data }).then(
      (): void => this.#finishOpening(opening, undefined),
      (thrown: unknown): never => {
        this.#finishOpening(opening, expected);
        throw thrown;
      },
    );
    this.#opening = opening;
    return opening;
  }

  #finishOpening(opening: Promise<void>, expected: ExpectedPage | undefined): void {
    // The gate may belong to another session by now.
    if (this.#opening !== opening) return;
    this.#expected = expected;
    this.#opening = undefined;
  }

  async #open({ page, leftBy }: ExpectedPage, { label, data }: CommandInfo): Promise<void> {
    const session = this.#session;
    if (page === null || session === undefined) return;
    const refuse = (reason: string, url?: string) =>
      this.#options.refuse({ leftBy, reason, url: url === undefined ? undefined : redactUrl(url) });
    if (page === undefined) throw refuse('it could not be stored before the end came');
    const now = (await session.browserState.capture())?.page;
    if (now?.url === page.url && now.obstacle === page.obstacle && (await isSame(session, page, 0))) return;
    if (MOVES_IN_HISTORY.test(label)) throw refuse('the history of its window died with the session');
    const isFrameLeft = label === 'POST /frame' && Reflect.get(data ?? {}, 'id') === null;
    if (page.obstacle !== null && !(page.obstacle === 'frame' && isFrameLeft))
      throw refuse(OBSTACLES[page.obstacle], page.url);
    await session.driver.get(page.url);
    const reached = (await session.browserState.capture())?.page?.url ?? page.url;
    if (withoutFragment(reached) !== withoutFragment(page.url))
      throw refuse(`the site now answers with ${redactUrl(reached)}`, page.url);
    if (!(await isSame(session, page, FILL_LIMIT_MS)))
      throw refuse('what was typed, clicked or run there is not part of its address', page.url);
  }
}

/** Returns true if the current page has the fingerprint of the expected page, or gets it within `limitMs`. */
async function isSame({ browserState }: GatedSession, { fingerprint }: PageState, limitMs: number): Promise<boolean> {
  if (fingerprint === null) return true;
  if (fingerprint === UNKNOWN_FINGERPRINT) return false;
  const deadline = performance.now() + limitMs;
  for (;;) {
    if ((await browserState.fingerprint()) === fingerprint) return true;
    if (performance.now() >= deadline) return false;
    await sleep(POLL_MS);
  }
}

const OBSTACLES = {
  post: 'it was the answer to a POST',
  frame: 'the driver was in a frame of it',
  script: 'a script has left something in its memory, such as a variable of `window` or a listener',
  unloadable: 'its address names nothing that can be loaded',
} as const;

function withoutFragment(url: string): string {
  return url.replace(/#.*$/s, '');
}
