/** What a run's private file holds: Playwright's `storageState`, and in one more field what only this program needs. */
import { z } from 'zod';

import { parseStorageState, toStorageState, type BrowserState, type PageState } from '../../supervisor/supervisor.ts';

export interface StoredRunState {
  /** After `prepare`, before the steps. */
  readonly base: BrowserState;
  readonly last: BrowserState;
  /** The page that a step left, by the step's name. */
  readonly pages: ReadonlyMap<string, PageState | null>;
}

/** The pages of this many steps are stored, the newest ones. */
const MAX_STORED_PAGES = 5_000;

const page = z
  .object({
    url: z.string(),
    obstacle: z.enum(['post', 'frame', 'unloadable']).nullable(),
    fingerprint: z.string().nullable(),
  })
  .nullable();

const extension = z.object({
  webdriverSupervisor: z.object({
    base: z.unknown(),
    pages: z.array(z.tuple([z.string(), page])),
    windowSize: z.object({ width: z.number(), height: z.number() }).nullable(),
  }),
});

export function toStoredState({ base, last, pages }: StoredRunState): string {
  const { windowSize } = last;
  const kept = [...pages].slice(-MAX_STORED_PAGES);
  const webdriverSupervisor = { base: toStorageState(base), pages: kept, windowSize };
  return JSON.stringify({ ...toStorageState(last), webdriverSupervisor });
}

/** Throws if the text is not what {@link toStoredState} writes. */
export function fromStoredState(text: string): StoredRunState {
  const { webdriverSupervisor } = extension.parse(JSON.parse(text));
  const last = parseStorageState(text, 'The stored state');
  return {
    base: parseStorageState(JSON.stringify(webdriverSupervisor.base), 'The stored state'),
    last: { ...last, windowSize: webdriverSupervisor.windowSize },
    pages: new Map(webdriverSupervisor.pages),
  };
}

/** A file for the user: what Playwright writes, indented. */
export function toUserState(state: BrowserState): string {
  return `${JSON.stringify(toStorageState(state), null, 2)}\n`;
}
