/**
 * The schedule of competing processes and their faults. It is derived from the seed. The effect of a fault depends on the machine too.
 * A changed clock is that of the process's JavaScript. Leases depend on the database's clock, which is never changed.
 */
import { makeRandom, pickFrom, randomInteger, type Random } from '../../../scripts/demo-shop/random.ts';

/** A lease lasts six heartbeats. */
export const HEARTBEAT_INTERVAL_MS = 80;
const LEASE_MS = 6 * HEARTBEAT_INTERVAL_MS;
const MAX_PAUSE_CALLS = 6;
const MAX_PAUSE_MS = 60;

export type DatabaseKind = 'sqlite' | 'postgres';

export type Act =
  | { readonly act: 'begin' | 'kill'; readonly who: string }
  /** The process is suspended and resumed after `forMs`. */
  | { readonly act: 'suspend'; readonly who: string; readonly forMs: number }
  | { readonly act: 'set-clock'; readonly who: string; readonly byMs: number }
  /** The connection is cut at the next COMMIT, after or before the server got it. The process may be suspended at once. */
  | { readonly act: 'cut'; readonly who: string; readonly when: 'after' | 'before'; readonly suspendForMs: number }
  | { readonly act: 'lock'; readonly forMs: number }
  | { readonly act: 'copy' | 'restore' | 'replace-file' | 'cancel' | 'end-sessions' };

/** The act happens after `afterCalls` further calls of the site, starts and ends of sessions, and `afterMs` after the last of them. */
export type Move = Act & { readonly afterCalls: number; readonly afterMs: number };

export interface Schedule {
  readonly seed: number;
  readonly database: DatabaseKind;
  readonly processes: readonly { readonly name: string; readonly waitMs: number }[];
  readonly moves: readonly Move[];
}

export function makeSchedule(seed: number, database: DatabaseKind): Schedule {
  const random = makeRandom(Math.imul(seed, 0x9e3779b1));
  const names = ['a', 'b', 'c', 'd'].slice(0, pickFrom(random, [2, 2, 2, 3, 3, 4]));
  const processes = names.map((name) => ({ name, waitMs: pickFrom(random, [0, 1_000, 3_000]) }));
  const pause = () => ({
    afterCalls: randomInteger(random, { min: 0, max: MAX_PAUSE_CALLS }),
    afterMs: randomInteger(random, { min: 0, max: MAX_PAUSE_MS }),
  });
  const acts: Act[] = [];
  const begun: [string, ...string[]] = ['a'];
  for (const name of names.slice(1)) {
    const faults = randomInteger(random, { min: 0, max: 2 });
    for (let count = 0; count < faults; count += 1) acts.push(...makeFault(random, database, begun));
    acts.push({ act: 'begin', who: name });
    begun.push(name);
  }
  acts.push(...makeFault(random, database, begun));
  return {
    seed,
    database,
    processes,
    moves: [{ act: 'begin', who: 'a', afterCalls: 0, afterMs: 0 }, ...acts.map((act) => ({ ...act, ...pause() }))],
  };
}

function makeFault(random: Random, database: DatabaseKind, begun: readonly [string, ...string[]]): Act[] {
  const who = pickFrom(random, begun);
  const beyondLeaseMs = Math.round(LEASE_MS * (1.1 + random() * 1.5));
  const kinds = [
    'kill',
    'suspend',
    'suspend',
    'set-clock',
    'lock',
    'restore',
    'restore',
    'cancel',
    'end-sessions',
    'own',
  ] as const;
  const kind = pickFrom(random, kinds);
  switch (kind) {
    case 'kill':
      return [{ act: kind, who }];
    case 'suspend':
      return [{ act: kind, who, forMs: beyondLeaseMs }];
    case 'set-clock':
      return [{ act: kind, who, byMs: pickFrom(random, [-3_600_000, -5_000, 5_000, 3_600_000]) }];
    case 'lock':
      return [{ act: kind, forMs: randomInteger(random, { min: 50, max: 2 * LEASE_MS }) }];
    case 'restore':
      return [{ act: 'copy' }, { act: kind }];
    case 'cancel':
    case 'end-sessions':
      return [{ act: kind }];
    case 'own':
      if (database === 'sqlite') return [{ act: 'copy' }, { act: 'replace-file' }];
      return [
        {
          act: 'cut',
          who,
          when: pickFrom(random, ['after', 'before']),
          suspendForMs: random() < 0.5 ? beyondLeaseMs : 0,
        },
      ];
  }
}

export function describeMove({ afterCalls, afterMs, act, ...rest }: Move): string {
  return [`+${afterCalls}+${afterMs}ms`, act, ...Object.values(rest)].join(' ');
}
