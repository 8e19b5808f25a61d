/** A session's row, checked as it is read: what somebody or something has spoilt must be told and mended, not believed. */
import { z } from 'zod';

import { RegistryError } from '../errors.ts';
import { LIVE_STATUSES, SESSION_STATUSES, type SessionsTable, type SessionStatus } from '../sql/schema.ts';

/** A session as it stands in the registry. Times are UTC, ISO 8601. */
export interface StoredSession {
  readonly id: string;
  readonly owner: string;
  readonly status: SessionStatus;
  readonly token: number;
  readonly holder: string;
  /** By the database's clock. */
  readonly leaseExpiresMs: number;
  /** The WebDriver session id; null before there is one. */
  readonly webdriverId: string | null;
  readonly epoch: number;
  readonly runId: string | null;
  readonly host: string;
  readonly pid: number;
  /** Tells processes apart that had the same pid. */
  readonly processIdentity: string;
  readonly driverPid: number | null;
  readonly browserPid: number | null;
  /** The session's temporary folder, profile included; null on somebody else's endpoint. */
  readonly folder: string | null;
  /** Somebody else's endpoint, redacted; null for a driver of our own. */
  readonly endpoint: string | null;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly lastHeartbeatAt: string | null;
  readonly lastUsedAt: string;
  readonly endedAt: string | null;
  readonly death: { readonly cause: string; readonly detectedBy: string } | null;
  readonly errorMessage: string | null;
  readonly label: string | null;
  readonly data: Readonly<Record<string, unknown>> | null;
}

const time = z.iso.datetime();
const whole = z.int().min(0);
const json = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'is no JSON' });
    return z.NEVER;
  }
});

const rowSchema = z.object({
  id: z.string().min(1),
  owner: z.string().min(1),
  status: z.enum(SESSION_STATUSES),
  token: whole,
  holder: z.string(),
  lease_expires_ms: whole,
  webdriver_id: z.string().nullable(),
  epoch: whole,
  run_id: z.string().nullable(),
  host: z.string(),
  pid: whole,
  process_identity: z.string(),
  driver_pid: whole.nullable(),
  browser_pid: whole.nullable(),
  folder: z.string().nullable(),
  endpoint: z.string().nullable(),
  created_at: time,
  started_at: time.nullable(),
  last_heartbeat_at: time.nullable(),
  last_used_at: time,
  ended_at: time.nullable(),
  death: json.pipe(z.looseObject({ cause: z.string(), detectedBy: z.string() })).nullable(),
  error_message: z.string().nullable(),
  label: z.string().nullable(),
  data: json.pipe(z.record(z.string(), z.unknown())).nullable(),
});

/** Undefined for a row that can't be what it says. */
export function readSession(row: SessionsTable): StoredSession | undefined {
  const parsed = rowSchema.safeParse(row);
  return parsed.success ? toSession(parsed.data) : undefined;
}

/** Throws {@link RegistryError} naming the row and the command that mends it. */
export function toStoredSession(row: SessionsTable): StoredSession {
  const session = readSession(row);
  if (session !== undefined) return session;
  throw new RegistryError(
    `The registry's row of session ${row.id} is damaged. \`manager.recoverCorrupted\`, or the clean-up of sessions, brings it to a safe state.`,
    { data: { sessionId: row.id } },
  );
}

/** Whether it is a time as rows have them: UTC, ISO 8601. */
export function isTime(value: unknown): value is string {
  return time.safeParse(value).success;
}

export function isLive({ status }: { readonly status: string }): boolean {
  return (LIVE_STATUSES as readonly string[]).includes(status);
}

function toSession(row: z.output<typeof rowSchema>): StoredSession {
  return {
    id: row.id,
    owner: row.owner,
    status: row.status,
    token: row.token,
    holder: row.holder,
    leaseExpiresMs: row.lease_expires_ms,
    webdriverId: row.webdriver_id,
    epoch: row.epoch,
    runId: row.run_id,
    host: row.host,
    pid: row.pid,
    processIdentity: row.process_identity,
    driverPid: row.driver_pid,
    browserPid: row.browser_pid,
    folder: row.folder,
    endpoint: row.endpoint,
    createdAt: row.created_at,
    startedAt: row.started_at,
    lastHeartbeatAt: row.last_heartbeat_at,
    lastUsedAt: row.last_used_at,
    endedAt: row.ended_at,
    death: row.death,
    errorMessage: row.error_message,
    label: row.label,
    data: row.data,
  };
}
