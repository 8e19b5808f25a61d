/** What requests may say, with limits: the routes' schemas are made from these. */
import { z } from 'zod';

import { RUN_STATUSES } from '../../model/run.ts';
import { SESSION_STATUSES } from '../../model/session.ts';
import { type Page, type Place } from '../../registry/registry.ts';

const LONGEST_ID = 200;
const LONGEST_OWNER = 500;
/** A row's id behind its place. */
const LONGEST_CURSOR = 300;
const MOST_ROWS = 1_000;
const DEFAULT_ROWS = 100;
const MOST_MINUTES = 7 * 24 * 60;
/** Of the timeline: more events than a day has are no picture. */
const MOST_LOOKBACK = 24 * 60;
const MOST_IDS = 10_000;

/** No row has a NUL in its names: PostgreSQL takes none. */
const text = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    .regex(/^[^\0]*$/, { error: 'must have no NUL' });
const id = text(LONGEST_ID);
const owner = text(LONGEST_OWNER).optional();
const limit = z.coerce
  .number()
  .int()
  .min(1)
  .max(MOST_ROWS)
  .default(DEFAULT_ROWS)
  .meta({ description: 'the most rows of a page; it has fewer if they would be more than 2 MB' });
const after = text(LONGEST_CURSOR).optional().meta({ description: 'the `next` of the page before' });

export const idParams = z.object({ id });

export const sessionsQuery = z.object({
  status: z.enum([...SESSION_STATUSES, 'live']).optional(),
  owner,
  limit,
  after,
});

export const runsQuery = z.object({
  status: z.enum(RUN_STATUSES).optional(),
  owner,
  action: text(LONGEST_OWNER).optional(),
  limit,
  after,
});

export const recordsQuery = z.object({ limit, after });

export const eventsQuery = z.object({
  owner,
  last: z.coerce.number().int().min(0).max(MOST_ROWS).default(0).meta({ description: 'so many of the latest first' }),
});

const EVENT_ID_ERROR = `must be the id of an event, a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`;

/** An empty `Last-Event-ID` is the same as none. */
export const eventsHeaders = z.object({
  'last-event-id': z
    .string()
    .regex(/^\d{0,16}$/, { error: EVENT_ID_ERROR, abort: true })
    .refine((digits) => Number.isSafeInteger(Number(digits)), { error: EVENT_ID_ERROR })
    .optional()
    .meta({ description: 'the id of the last event that the reader has; the stream goes on after it' }),
});

export const timelineQuery = z.object({
  minutes: z.coerce.number().int().min(1).max(MOST_LOOKBACK).default(60),
});

export const resetBody = z
  .object({
    ids: z.array(id).max(MOST_IDS).optional().meta({ description: 'of sessions or runs; default: all that are stuck' }),
    timeout_minutes: z
      .number()
      .min(0)
      .max(MOST_MINUTES)
      .optional()
      .meta({ description: 'default: SESSION_TIMEOUT_MINUTES' }),
    dry_run: z.boolean().default(false).meta({ description: 'only say what would be reset' }),
  })
  .strict();

/** What a list is asked for, in the registry's words: what was not given is left out. */
export function toListFilter<Query extends { readonly limit: number; readonly after?: string | undefined }>({
  after: cursor,
  ...rest
}: Query): Given<Omit<Query, 'after'>> & { readonly limit: number; readonly after?: Place } {
  const place = fromCursor(cursor);
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return { ...(given as Given<Omit<Query, 'after'>>), limit: rest.limit, ...(place !== undefined && { after: place }) };
}

type Given<Query> = { readonly [Name in keyof Query]?: Exclude<Query[Name], undefined> };

/** What the next page is asked for by. */
export function toNext({ last }: Page<unknown>): string | null {
  return last === null ? null : `${last.createdAt}.${last.id}`;
}

/** What no page gave begins at the beginning. */
function fromCursor(cursor: string | undefined): Place | undefined {
  const [, createdAt, rowId] = /^(\d{4}-[\dT:-]+\.\d{3}Z)\.(.+)$/s.exec(cursor ?? '') ?? [];
  return createdAt === undefined || rowId === undefined ? undefined : { createdAt, id: rowId };
}
