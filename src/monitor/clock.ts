/** Judges whether this machine's clock can say for how long nothing has happened. */
import type { StoredSession } from '../model/session.ts';
import type { Registry } from '../registry/registry.ts';

/** Machines' clocks may differ by so much. */
const LIMIT_MS = 60_000;

export interface ClockFacts {
  readonly nowMs: number;
  /** By the clock of the registry's database. */
  readonly databaseMs: number;
  readonly sessions: readonly Pick<StoredSession, 'host' | 'lastHeartbeatAt'>[];
}

/** Resolves with the reason why this clock is not to be trusted, null if nothing speaks against it. */
export async function findClockTrouble(registry: Registry, sessions: readonly StoredSession[]): Promise<string | null> {
  const databaseMs = await registry.leases.databaseMs();
  return judgeClock({ nowMs: Date.now(), databaseMs, sessions });
}

export function judgeClock({ nowMs, databaseMs, sessions }: ClockFacts): string | null {
  const skewMs = nowMs - databaseMs;
  if (Math.abs(skewMs) > LIMIT_MS) return describe(skewMs, "the database's");
  const ahead = sessions.map(({ host, lastHeartbeatAt }) => ({
    host,
    byMs: nowMs - Date.parse(lastHeartbeatAt ?? ''),
  }));
  // A heartbeat of the future; one of the past may be old.
  const latest = ahead.filter(({ byMs }) => byMs < -LIMIT_MS).toSorted((a, b) => a.byMs - b.byMs)[0];
  return latest === undefined ? null : describe(latest.byMs, `that of ${latest.host}`);
}

function describe(skewMs: number, other: string): string {
  const seconds = Math.round(Math.abs(skewMs) / 1_000);
  return (
    `This machine's clock is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} ${other}. Nothing is timed out until they agree within ` +
    `${LIMIT_MS / 1_000} s: set the time of both, for example by NTP.`
  );
}
