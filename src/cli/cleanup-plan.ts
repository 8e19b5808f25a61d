/** What `sessions cleanup` is asked for, and what that would do: worked out from rows, with nothing changed. */
import type { SessionStatus } from '../model/session.ts';
import { ConfigError } from '../core/errors.ts';
import type { Registry } from '../registry/registry.ts';
import { isPresent, removalAgeHours, type CleanupKind, type CleanupRule } from '../upkeep/upkeep.ts';
import { isSessionLeft } from './sessions-report.ts';

const HOUR_MS = 3_600_000;
/** A hundred years; beyond some it is no date any more. */
const MOST_HOURS = 876_000;
const LAPSED_LIMIT = 10_000;
/** As commander has it. */
export interface CleanupOptions {
  readonly failed?: boolean;
  readonly completed?: boolean;
  readonly all?: boolean;
  readonly olderThan?: string;
}

export interface CleanupRequest extends CleanupRule {
  /** As typed, without `--execute`. */
  readonly words: string;
}

export interface CleanupPlan {
  /** Rows to remove, by status. */
  readonly remove: Readonly<Record<string, number>>;
  /** Rows that stay, by status. */
  readonly keep: Readonly<Record<string, number>>;
  /** Live only by their rows, and expired by then: their process is gone, or does not renew their lease. */
  readonly close: { readonly gone: number; readonly lapsed: number };
  /** To be brought to a safe state first: they are dead then. */
  readonly damaged: readonly string[];
}

/** Throws `ConfigError` for what does not go together. */
export function toCleanupRequest({ failed, completed, all, olderThan }: CleanupOptions): CleanupRequest {
  const chosen = Object.entries({ failed, completed, all }).filter(([, isChosen]) => isChosen === true);
  if (chosen.length > 1)
    throw new ConfigError(`Choose one of ${chosen.map(([name]) => `--${name}`).join(' and ')}; --all means both.`);
  const kind = (chosen[0]?.[0] ?? 'policy') as CleanupKind;
  const hours = olderThan === undefined ? undefined : toHours(olderThan);
  if (hours !== undefined && (kind === 'failed' || kind === 'all'))
    throw new ConfigError(`--older-than goes with --completed, or alone; --${kind} asks for no age.`);
  const flags = [
    ...(kind === 'policy' ? [] : [`--${kind}`]),
    ...(hours === undefined ? [] : [`--older-than ${hours}`]),
  ];
  return { kind, olderThanHours: hours, words: ['cleanup', ...flags].join(' ') };
}

export async function planCleanup(registry: Registry, request: CleanupRequest): Promise<CleanupPlan> {
  const now = new Date();
  const sessions = await registry.sessions.list();
  const gone = sessions.filter(isSessionLeft);
  const isPolicy = request.kind === 'policy';
  const unrenewed = isPolicy ? await registry.sessions.listLapsed({ limit: LAPSED_LIMIT }) : [];
  const lapsed = unrenewed.filter((session) => !isSessionLeft(session) && !isPresent(session));
  const closed = new Set([...gone, ...lapsed].map(({ id }) => id));
  const remove: Record<string, number> = {};
  const keep: Record<string, number> = {};
  for (const session of sessions) {
    const then = closed.has(session.id)
      ? { status: 'expired' as const, since: now.toISOString() }
      : { status: session.status, since: session.endedAt ?? session.createdAt };
    const tally = goes(then, request, now) ? remove : keep;
    tally[then.status] = (tally[then.status] ?? 0) + 1;
  }
  const damaged = await registry.sessions.listDamaged();
  // How long they are over is known only when they are mended; where no age is asked for, that is all the same.
  if (damaged.length > 0 && !isPolicy) {
    const tally = removalAgeHours('dead', request) === undefined ? keep : remove;
    tally['dead'] = (tally['dead'] ?? 0) + damaged.length;
  }
  return { remove, keep, close: { gone: gone.length, lapsed: lapsed.length }, damaged };
}

function goes(
  { status, since }: { readonly status: SessionStatus; readonly since: string },
  rule: CleanupRule,
  now: Date,
): boolean {
  const hours = removalAgeHours(status, rule);
  return hours !== undefined && now.getTime() - Date.parse(since) >= hours * HOUR_MS;
}

function toHours(text: string): number {
  const hours = Number(text);
  if (text.trim() !== '' && hours > 0 && hours <= MOST_HOURS) return hours;
  throw new ConfigError(
    `--older-than is ${JSON.stringify(text)}; it must be a number of hours above 0, and at most ${MOST_HOURS}.`,
  );
}
