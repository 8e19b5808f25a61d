/** A session as the registry stores it. */
import { z } from 'zod';

import { storedDeathSchema } from './death.ts';
import { json, object, time, whole } from './fields.ts';

export const SESSION_STATUSES = ['starting', 'active', 'standby', 'ended', 'dead', 'timed_out', 'expired'] as const;
export type SessionStatus = (typeof SESSION_STATUSES)[number];
/** The statuses of sessions that hold their owner. A unique index allows at most one such session per owner. */
export const LIVE_STATUSES = ['starting', 'active'] as const satisfies readonly SessionStatus[];

/** The schema of a session's row: gives its type, and validates each row that is read. Times are UTC, ISO 8601. */
export const sessionSchema = z.object({
  id: z.string().min(1),
  owner: z.string().min(1),
  status: z.enum(SESSION_STATUSES),
  /** Grows with each claim of any owner: of two tokens the higher one is newer. */
  token: whole,
  /** The unique id of the manager that holds the session. */
  holder: z.string(),
  /** The end of the lease in milliseconds since 1970, by the clock of the database. */
  leaseExpiresMs: whole,
  /** The WebDriver session id; null until the session has one. */
  webdriverId: z.string().nullable(),
  epoch: whole,
  runId: z.string().nullable(),
  host: z.string(),
  pid: whole,
  /** Distinguishes processes that had the same pid. */
  processIdentity: z.string(),
  driverPid: whole.nullable(),
  browserPid: whole.nullable(),
  /** The session's temporary folder, which holds its profile; null if the driver is not ours. */
  folder: z.string().nullable(),
  /** The redacted URL of an endpoint that is not ours; null if the driver is ours. */
  endpoint: z.string().nullable(),
  /** The URL of a Grid's own page about the session, without credentials; null if no Grid has the session. */
  liveView: z.string().nullable(),
  /** The time at which the endpoint confirmed that it no longer has the session; null until then, and without an endpoint. */
  releasedAt: time.nullable(),
  createdAt: time,
  startedAt: time.nullable(),
  lastHeartbeatAt: time.nullable(),
  lastUsedAt: time,
  endedAt: time.nullable(),
  death: json(storedDeathSchema).nullable(),
  errorMessage: z.string().nullable(),
  label: z.string().nullable(),
  data: json(object).nullable(),
});

/** The row in the database: `death` and `data` are JSON texts. */
export type SessionRow = z.input<typeof sessionSchema>;
export type StoredSession = Readonly<z.output<typeof sessionSchema>>;

export function isLive({ status }: { readonly status: string }): boolean {
  return (LIVE_STATUSES as readonly string[]).includes(status);
}
