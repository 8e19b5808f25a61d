/** The page that each step left. Of a run of very many steps the first and the newest ones are kept. */
import type { PageState } from '../../supervisor/supervisor.ts';

const MAX_FIRST = 200;
const MAX_NEWEST = 800;

type StepPage = readonly [name: string, page: PageState | null];

export class StepPages {
  /** Steps whose pages `run` may come back to when it is entered again: a list that is opened once, say. */
  readonly #first = new Map<string, PageState | null>();
  readonly #newest = new Map<string, PageState | null>();
  /** Whether a step may be finished that is not known here: one of a program that was killed, say. */
  isPartial = false;
  /** The page that was set last. */
  #last: PageState | null | undefined;
  /** The page of finished steps that were never stored: each new page is stored before its step is, so they had left that one. */
  #lastStored: PageState | null | undefined;

  /** Takes over what an earlier process stored. */
  load(pages: readonly StepPage[]): void {
    for (const [name, page] of pages) this.set(name, page);
    const isWhole = pages.length < MAX_FIRST + MAX_NEWEST;
    this.#lastStored = isWhole ? pages.at(-1)?.[1] : undefined;
  }

  /** Returns whether the page is another one than the step before has left. */
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

  /** `never left`: the step is known to have left none. `unknown`: it may have left any. */
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
