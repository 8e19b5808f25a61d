/**
 * Opens the page that the last replayed step had left, when a command needs it. A step that navigates by itself costs no extra load.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { redactUrl } from '../../core/redact.ts';
import type { CommandInfo, PageState, SessionSupervisor } from '../../supervisor/supervisor.ts';
import type { Divergence } from '../replay.ts';

/** The page that commands expect, and the finished step that left it. */
export interface ExpectedPage {
  /** Undefined if the step's page is not known. */
  readonly page: PageState | null | undefined;
  /** The step, in the middle of a sentence. */
  readonly step: string;
}

export interface PageGateOptions {
  readonly divergence: Divergence;
  /** What sends the command, in the middle of a sentence. */
  readonly sender: () => string;
}

/** Commands that have nothing to do with the page. */
const PAGELESS =
  /^((GET|POST) \/timeouts|(GET|POST|DELETE) \/window(\/.*)?|DELETE \/|POST \/session|POST \/(goog|chromium)\/.*|.* \/se\/.*)$/;
const NAVIGATES = 'POST /url';
const MOVES_IN_HISTORY = /^POST \/(back|forward)$/;
/** A page may fill itself by scripts after its load. */
const FILLED_WITHIN_MS = 5_000;
const POLL_MS = 50;

export class PageGate {
  readonly #options: PageGateOptions;
  #supervisor: SessionSupervisor | undefined;
  #expected: ExpectedPage | undefined;
  #opening: Promise<void> | undefined;

  constructor(options: PageGateOptions) {
    this.#options = options;
  }

  /** Commands of this session pass from now on, and nothing is expected of its page. */
  reset(supervisor: SessionSupervisor): void {
    this.#supervisor = supervisor;
    this.#expected = undefined;
    this.#opening = undefined;
  }

  /** The next command that needs a page finds this one. */
  expect(expected: ExpectedPage): void {
    this.#expected = expected;
  }

  /** See `SupervisorOptions.beforeCommand`. */
  before({ label, data }: CommandInfo): Promise<void> | undefined {
    if (label === NAVIGATES) {
      if (this.#opening === undefined) this.#expected = undefined;
      return undefined;
    }
    if (this.#opening !== undefined) return this.#opening;
    const expected = this.#expected;
    if (expected === undefined || PAGELESS.test(label)) return undefined;
    this.#opening = this.#open(expected, { label, data }).finally(() => {
      this.#expected = undefined;
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open({ page, step }: ExpectedPage, { label, data }: CommandInfo): Promise<void> {
    const supervisor = this.#supervisor;
    if (page === null || supervisor === undefined) return;
    if (page === undefined) throw this.#diverge(step, 'the program ended before it could be stored');
    const now = (await supervisor.browserState.capture())?.page;
    if (now?.url === page.url && now.obstacle === page.obstacle && (await this.#isSame(page, 0))) return;
    if (MOVES_IN_HISTORY.test(label)) throw this.#diverge(step, 'the history of its window died with the session');
    const isFrameLeft = label === 'POST /frame' && Reflect.get(data ?? {}, 'id') === null;
    if (page.obstacle !== null && !(page.obstacle === 'frame' && isFrameLeft))
      throw this.#diverge(step, OBSTACLES[page.obstacle], page.url);
    await supervisor.driver.get(page.url);
    const reached = (await supervisor.browserState.capture())?.page?.url ?? page.url;
    if (withoutFragment(reached) !== withoutFragment(page.url))
      throw this.#diverge(step, `the site now answers with ${redactUrl(reached)}`, page.url);
    if (!(await this.#isSame(page, FILLED_WITHIN_MS)))
      throw this.#diverge(step, 'what was typed, clicked or run there is not part of its address', page.url);
  }

  /** Whether the current page looks as the expected one did, or will within `limitMs`. */
  async #isSame({ fingerprint }: PageState, limitMs: number): Promise<boolean> {
    if (fingerprint === null) return true;
    const deadline = performance.now() + limitMs;
    for (;;) {
      const state = this.#supervisor?.browserState;
      if ((await state?.fingerprint()) === fingerprint) return true;
      if (performance.now() >= deadline) return false;
      await sleep(POLL_MS);
    }
  }

  #diverge(step: string, reason: string, url?: string): Error {
    const { divergence, sender } = this.#options;
    return divergence.note(
      `${sender()} goes on with the page that ${step} left${url === undefined ? '' : ` (${redactUrl(url)})`}, and after the session's ` +
        `death that page can't be opened again: ${reason}. Do both in one step, or let the step begin with \`driver.get\`. ` +
        'This run goes on with `--resume` and `--redo`, which does the earlier step again.',
    );
  }
}

const OBSTACLES = {
  post: 'it was the answer to a POST',
  frame: 'the driver was in a frame of it',
  unloadable: 'its address names nothing that can be loaded',
} as const;

function withoutFragment(url: string): string {
  return url.replace(/#.*$/s, '');
}
