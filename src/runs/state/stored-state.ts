/** The format of a run's private file: Playwright's `storageState`, and one more field for data that only this program needs. */
import { z } from 'zod';

import {
  parseStorageState,
  toStorageState,
  type BrowserState,
  type PageState,
  type StateCookie,
  type StatePatch,
} from '../../supervisor/supervisor.ts';

/** The changes of one step in the browser. */
export interface StateChange {
  /** The step's name. */
  readonly name: string;
  readonly patch: StatePatch;
}

export interface StoredRunState {
  /** The state after `prepare` and before the steps. */
  readonly base: BrowserState;
  /** The changes in the order in which the steps ended. */
  readonly changes: readonly StateChange[];
  /** The page that a step left, by the step's name. */
  readonly pages: readonly (readonly [name: string, page: PageState | null])[];
}

const page = z
  .object({
    url: z.string(),
    obstacle: z.enum(['post', 'frame', 'script', 'unloadable']).nullable(),
    fingerprint: z.string().nullable(),
    windows: z.number().default(1),
  })
  .nullable();

const cookies = z.array(z.custom<StateCookie>((value) => typeof value === 'object' && value !== null));
const items = z.array(z.tuple([z.string(), z.string().nullable()]));
const timeouts = z
  .object({ implicit: z.number(), pageLoad: z.number().nullable(), script: z.number().nullable() })
  .nullable()
  .default(null);
const windowSize = z.object({ width: z.number(), height: z.number() }).nullable();

const extension = z.object({
  webdriverSupervisor: z.object({
    base: z.unknown(),
    changes: z.array(
      z.object({
        name: z.string(),
        cookies,
        removedCookies: cookies,
        origins: z.array(z.tuple([z.string(), items, items])),
        windowSize,
        timeouts,
        overrides: z.array(z.object({ cmd: z.string(), params: z.record(z.string(), z.unknown()) })).default([]),
      }),
    ),
    pages: z.array(z.tuple([z.string(), page])),
  }),
});

/** Returns the content of the file. `last` is the state after all changes. */
export function toStoredState({ base, changes, pages }: StoredRunState, last: BrowserState): string {
  const webdriverSupervisor: z.input<typeof extension>['webdriverSupervisor'] = {
    base: toStorageState(base),
    changes: changes.map(({ name, patch }) => ({
      name,
      cookies: [...patch.cookies],
      removedCookies: [...patch.removedCookies],
      origins: [...patch.origins].map(([origin, { local, session }]) => [origin, [...local], [...session]]),
      windowSize: patch.windowSize,
      timeouts: patch.timeouts,
      overrides: [...patch.overrides],
    })),
    pages: pages.map(([name, left]) => [name, left]),
  };
  return JSON.stringify({ ...toStorageState(last), webdriverSupervisor });
}

/** Parses the content of the file. Throws if it is not in the format of {@link toStoredState}. */
export function fromStoredState(text: string): StoredRunState {
  const { base, changes, pages } = extension.parse(JSON.parse(text)).webdriverSupervisor;
  return {
    base: parseStorageState(JSON.stringify(base), 'The stored state'),
    changes: changes.map(({ name, origins, ...patch }) => ({
      name,
      patch: {
        ...patch,
        origins: new Map(
          origins.map(([origin, local, session]) => [origin, { local: new Map(local), session: new Map(session) }]),
        ),
      },
    })),
    pages,
  };
}
