/** Numbers about sessions, worked out from rows: pure, so that any process comes to the same. */
import { LIVE_STATUSES, SESSION_STATUSES, type SessionStatus, type StoredSession } from '../registry/registry.ts';

const HOUR_MS = 3_600_000;
/** Shares of the capacity from which on things are no longer fine. */
const WARNING_FROM = 0.7;
const CRITICAL_FROM = 0.9;

export interface SessionStatistics {
  /** Rows, history included. */
  readonly total: number;
  /** Sessions that this process may have at a time, and the share that it has. */
  readonly capacity: number;
  readonly utilisation: number;
  readonly byStatus: Readonly<Record<SessionStatus, number>>;
  readonly byAge: {
    readonly under1h: number;
    readonly from1hTo6h: number;
    readonly from6hTo24h: number;
    readonly over24h: number;
  };
  readonly averageAgeMs: number | null;
  readonly oldest: string | null;
  readonly newest: string | null;
}

export interface SessionHealth {
  readonly status: 'healthy' | 'warning' | 'critical';
  readonly utilisation: number;
  /** Live sessions that did nothing for longer than the session timeout. */
  readonly stuck: number;
  readonly isCleanupAlive: boolean;
}

export function toStatistics(
  sessions: readonly StoredSession[],
  { capacity, held, now = Date.now() }: { readonly capacity: number; readonly held: number; readonly now?: number },
): SessionStatistics {
  const ages = sessions.map(({ createdAt }) => now - Date.parse(createdAt));
  const between = (from: number, to: number) =>
    ages.filter((age) => age >= from * HOUR_MS && age < to * HOUR_MS).length;
  const created = sessions.map(({ createdAt }) => createdAt).toSorted();
  return {
    total: sessions.length,
    capacity,
    utilisation: held / capacity,
    byStatus: Object.fromEntries(
      SESSION_STATUSES.map((status) => [status, sessions.filter((session) => session.status === status).length]),
    ) as Record<SessionStatus, number>,
    byAge: {
      under1h: ages.filter((age) => age < HOUR_MS).length,
      from1hTo6h: between(1, 6),
      from6hTo24h: between(6, 24),
      over24h: between(24, Infinity),
    },
    averageAgeMs: ages.length === 0 ? null : ages.reduce((sum, age) => sum + age, 0) / ages.length,
    oldest: created[0] ?? null,
    newest: created.at(-1) ?? null,
  };
}

export function toHealth(
  { utilisation }: Pick<SessionStatistics, 'utilisation'>,
  {
    sessions,
    timeoutMs,
    isCleanupAlive,
    now = Date.now(),
  }: {
    readonly sessions: readonly StoredSession[];
    readonly timeoutMs: number;
    readonly isCleanupAlive: boolean;
    readonly now?: number;
  },
): SessionHealth {
  const live = sessions.filter(({ status }) => (LIVE_STATUSES as readonly string[]).includes(status));
  const stuck = live.filter(({ lastUsedAt }) => now - Date.parse(lastUsedAt) > timeoutMs).length;
  const byUse = utilisation < WARNING_FROM ? 'healthy' : utilisation < CRITICAL_FROM ? 'warning' : 'critical';
  return {
    status: byUse === 'healthy' && (stuck > 0 || !isCleanupAlive) ? 'warning' : byUse,
    utilisation,
    stuck,
    isCleanupAlive,
  };
}
