/** Stores the page that each step left; if there are very many steps, only for the first and the newest ones. */
import type { PageState } from '../../supervisor/supervisor.ts';

const MAX_FIRST = 200;
const MAX_NEWEST = 800;

type StepPage = readonly [name: string, page: PageState | null];

export class StepPages {
  /** The first steps. `run` may need their pages when it is entered again, for example a list that is opened once. */
  readonly #first = new Map<string, PageState | null>();
  readonly #newest = new Map<string, PageState | null>();
  /** True if a finished step may be missing here, for example one of a program that was killed. */
  isPartial = false;
  /** The page that was set last. */
  #last: PageState | null | undefined;
  /** The page of finished steps without a stored page: each new page is stored before its step, so they had left the last stored page. */
  #lastStored: PageState | null | undefined;

  /** Loads what an earlier process stored. */
  load(pages: readonly StepPage[]): void {
    for (const [name, page] of pages) this.set(name, page);
    const isWhole = pages.length < MAX_FIRST + MAX_NEWEST;
    this.#lastStored = isWhole ? pages.at(-1)?.[1] : undefined;
  }

  /** Returns whether the page differs from the one that the previous step left. */
  set(name: string, page: PageState | null): boolean {
    const last = this.#last;
    this.#last = page;
    if (this.#first.size < MAX_FIRST || this.#first.has(name)) this.#first.set(name, page);
    else {
      this.#newest.delete(name);
      this.#newest.set(name, page);
    }
    for (const oldest of this.#newest.keys()) {
      if (this.#newest.size <= MAX_NEWEST) break;
      this.#newest.delete(oldest);
      this.isPartial = true;
      this.#lastStored = undefined;
    }
    return last === undefined || !isSamePage(last, page);
  }

  /** Returns the page that the step left; `never left` if it certainly left none, `unknown` if it may have left any page. */
  find(name: string): PageState | null | 'never left' | 'unknown' {
    const page = this.#newest.has(name) ? this.#newest.get(name) : this.#first.get(name);
    if (page !== undefined) return page;
    if (!this.isPartial) return 'never left';
    return this.#lastStored === undefined ? 'unknown' : this.#lastStored;
  }

  get stored(): readonly StepPage[] {
    return [...this.#first, ...this.#newest];
  }
}

function isSamePage(one: PageState | null, other: PageState | null): boolean {
  return (
    one?.url === other?.url &&
    one?.windows === other?.windows &&
    one?.obstacle === other?.obstacle &&
    one?.fingerprint === other?.fingerprint
  );
}
