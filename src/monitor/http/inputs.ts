/** The inputs of requests with their limits. The routes' schemas are made from these. */
import { z } from 'zod';

import { RUN_STATUSES, STEP_STATUSES } from '../../model/run.ts';
import { SESSION_STATUSES } from '../../model/session.ts';
import type { Page, PageCursor } from '../../registry/registry.ts';

const MAX_ID_LENGTH = 200;
const MAX_OWNER_LENGTH = 500;
/** A cursor is the time and the id of a row. */
const MAX_CURSOR_LENGTH = 300;
const MAX_PAGE_ROWS = 1_000;
const DEFAULT_ROWS = 100;
const MAX_TIMEOUT_MINUTES = 7 * 24 * 60;
/** The longest timeline in minutes: one day, because a chart can't show more. */
const MAX_TIMELINE_MINUTES = 24 * 60;
const MAX_IDS = 10_000;

/** NUL is refused: PostgreSQL can't store it, so that no row has it in its names. */
const text = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    .regex(/^[^\0]*$/, { error: 'must not contain NUL' });
const id = text(MAX_ID_LENGTH);
const owner = text(MAX_OWNER_LENGTH).optional();
const limit = z.coerce
  .number()
  .int()
  .min(1)
  .max(MAX_PAGE_ROWS)
  .default(DEFAULT_ROWS)
  .meta({ description: 'the maximum number of rows of a page; a page has fewer if they would exceed 2 MB' });
const after = text(MAX_CURSOR_LENGTH).optional().meta({ description: 'the cursor: the `next` of the page before' });

const search = (columns: string) =>
  text(MAX_OWNER_LENGTH)
    .optional()
    .meta({ description: `a part of the id, or the beginning of ${columns}; upper and lower case are the same` });

export const idParams = z.object({ id });

export const sessionsQuery = z.object({
  status: z.enum([...SESSION_STATUSES, 'live']).optional(),
  owner,
  run: id.optional(),
  search: search('the owner'),
  limit,
  after,
});

export const runsQuery = z.object({
  status: z.enum(RUN_STATUSES).optional(),
  owner,
  action: text(MAX_OWNER_LENGTH).optional(),
  search: search('the action or the owner'),
  limit,
  after,
});

export const pageQuery = z.object({ limit, after });

export const stepsQuery = z.object({ status: z.enum(STEP_STATUSES).optional(), limit, after });

export const eventsQuery = z.object({
  owner,
  last: z.coerce
    .number()
    .int()
    .min(0)
    .max(MAX_PAGE_ROWS)
    .default(0)
    .meta({ description: 'the number of latest events to begin with' }),
});

const EVENT_ID_ERROR = `must be the id of an event, a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`;

/** An empty `Last-Event-ID` is the same as none. */
export const eventsHeaders = z.object({
  'last-event-id': z
    .string()
    .regex(/^\d{0,16}$/, { error: EVENT_ID_ERROR, abort: true })
    .refine((digits) => Number.isSafeInteger(Number(digits)), { error: EVENT_ID_ERROR })
    .optional()
    .meta({ description: 'the id of the last event that the reader has; the stream continues after it' }),
});

export const timelineQuery = z.object({
  minutes: z.coerce.number().int().min(1).max(MAX_TIMELINE_MINUTES).default(60),
});

export const resetBody = z
  .object({
    ids: z
      .array(id)
      .max(MAX_IDS)
      .optional()
      .meta({ description: 'ids of sessions or runs; default: all that are stuck' }),
    timeout_minutes: z
      .number()
      .min(0)
      .max(MAX_TIMEOUT_MINUTES)
      .optional()
      .meta({ description: 'default: SESSION_TIMEOUT_MINUTES' }),
    dry_run: z.boolean().default(false).meta({ description: 'if true, only report what would be reset' }),
  })
  .strict();

/** Returns the filter of a list for the registry. Values that were not given are left out. */
export function toListFilter<Query extends { readonly limit: number; readonly after?: string | undefined }>({
  after: cursor,
  ...rest
}: Query): Given<Omit<Query, 'after'>> & { readonly limit: number; readonly after?: PageCursor } {
  const position = fromCursor(cursor);
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return {
    ...(given as Given<Omit<Query, 'after'>>),
    limit: rest.limit,
    ...(position !== undefined && { after: position }),
  };
}

type Given<Query> = { readonly [Name in keyof Query]?: Exclude<Query[Name], undefined> };

/** Returns the cursor of the next page, null if there is none. */
export function toNext({ last }: Page<unknown>): string | null {
  return last === null ? null : `${last.createdAt}.${last.id}`;
}

/** Parses a cursor. Undefined if no page gave it: the list then begins at its beginning. */
function fromCursor(cursor: string | undefined): PageCursor | undefined {
  const [, createdAt, rowId] = /^(\d{4}-[\dT:-]+\.\d{3}Z)\.(.+)$/s.exec(cursor ?? '') ?? [];
  return createdAt === undefined || rowId === undefined ? undefined : { createdAt, id: rowId };
}
