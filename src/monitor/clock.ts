/** Checks that this machine's clock can measure for how long nothing has happened. */
import type { StoredSession } from '../model/session.ts';
import type { Registry } from '../registry/registry.ts';

/** The largest allowed difference between the clocks of two machines. */
const MAX_SKEW_MS = 60_000;

export interface ClockFacts {
  readonly nowMs: number;
  /** The time by the clock of the registry's database. */
  readonly databaseMs: number;
  readonly sessions: readonly Pick<StoredSession, 'host' | 'lastHeartbeatAt'>[];
}

/** Resolves with the reason why this machine's clock can't be trusted, or with null if there is none. */
export async function findClockTrouble(registry: Registry, sessions: readonly StoredSession[]): Promise<string | null> {
  const databaseMs = await registry.leases.databaseMs();
  return judgeClock({ nowMs: Date.now(), databaseMs, sessions });
}

export function judgeClock({ nowMs, databaseMs, sessions }: ClockFacts): string | null {
  const skewMs = nowMs - databaseMs;
  if (Math.abs(skewMs) > MAX_SKEW_MS) return describe(skewMs, "the database's");
  const ahead = sessions.map(({ host, lastHeartbeatAt }) => ({
    host,
    byMs: nowMs - Date.parse(lastHeartbeatAt ?? ''),
  }));
  // Only a heartbeat in the future shows a wrong clock. One in the past may be old.
  const latest = ahead.filter(({ byMs }) => byMs < -MAX_SKEW_MS).toSorted((a, b) => a.byMs - b.byMs)[0];
  return latest === undefined ? null : describe(latest.byMs, `that of ${latest.host}`);
}

function describe(skewMs: number, other: string): string {
  const seconds = Math.round(Math.abs(skewMs) / 1_000);
  return (
    `This machine's clock is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} ${other}. Nothing is timed out until they differ by at most ` +
    `${MAX_SKEW_MS / 1_000} s. Set the time of both machines, for example by NTP.`
  );
}
