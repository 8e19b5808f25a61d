/** A session as it stands in the registry. */
import { z } from 'zod';

import { storedDeathSchema } from './death.ts';
import { json, object, time, whole } from './fields.ts';

export const SESSION_STATUSES = ['starting', 'active', 'standby', 'ended', 'dead', 'timed_out', 'expired'] as const;
export type SessionStatus = (typeof SESSION_STATUSES)[number];
/** Those that hold their owner: at most one of them per owner, by a unique index. */
export const LIVE_STATUSES = ['starting', 'active'] as const satisfies readonly SessionStatus[];

/** A session's row, from which its type and the check on reading come. Times are UTC, ISO 8601. */
export const sessionSchema = z.object({
  id: z.string().min(1),
  owner: z.string().min(1),
  status: z.enum(SESSION_STATUSES),
  /** Grows with each claim of any owner: the higher one is the newer one. */
  token: whole,
  /** The manager that holds it, unique per manager. */
  holder: z.string(),
  /** By the database's clock. */
  leaseExpiresMs: whole,
  /** The WebDriver session id; null before there is one. */
  webdriverId: z.string().nullable(),
  epoch: whole,
  runId: z.string().nullable(),
  host: z.string(),
  pid: whole,
  /** Tells processes apart that had the same pid. */
  processIdentity: z.string(),
  driverPid: whole.nullable(),
  browserPid: whole.nullable(),
  /** The session's temporary folder, which holds its profile; null on an endpoint that is not ours. */
  folder: z.string().nullable(),
  /** The URL of an endpoint that is not ours, redacted; null for a driver of our own. */
  endpoint: z.string().nullable(),
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

/** As the database has it: `death` and `data` are JSON texts. */
export type SessionRow = z.input<typeof sessionSchema>;
export type StoredSession = Readonly<z.output<typeof sessionSchema>>;

export function isLive({ status }: { readonly status: string }): boolean {
  return (LIVE_STATUSES as readonly string[]).includes(status);
}
