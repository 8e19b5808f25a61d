/** The context of the routes. */
import type { z } from 'zod';

import type { StoredRun } from '../../model/run.ts';
import type { Log } from '../../core/log.ts';
import type { Registry, TimedOut } from '../../registry/registry.ts';
import type { StuckReport } from '../../upkeep/upkeep.ts';
import type { EventFeed } from '../event-feed.ts';
import type { HealthLimits } from '../health.ts';
import type { OwnerLabels } from '../owner-labels.ts';
import type { RegistryLink } from '../registry-link.ts';
import type * as shapes from './shapes.ts';

/** The state of the monitor that the routes show. */
export interface MonitorFacts {
  readonly isClosing: boolean;
  readonly isLeader: boolean;
  /** `host:pid` of the leader; null if no leader is known. */
  readonly leader: string | null;
  readonly isSweeperEnabled: boolean;
  readonly lastSweepAt: Date | null;
  readonly isCleanupEnabled: boolean;
}

export interface RouteContext {
  readonly link: RegistryLink;
  readonly feed: EventFeed;
  readonly limits: HealthLimits;
  readonly ownerLabels: OwnerLabels;
  readonly log: Log;
  /** Converts a run to the shape of the answer. */
  readonly toRun: (run: StoredRun) => z.output<typeof shapes.run>;
  /** Aborts when the monitor closes. Streams then end. */
  readonly closing: AbortSignal;
  readonly facts: () => MonitorFacts;
  /** Checks that the registry accepts writes. Rejects with the reason if it does not. */
  readonly probe: () => Promise<void>;
  readonly look: (registry: Registry, timeoutMs?: number) => Promise<StuckReport>;
  /** Times out the rows. Their browsers are ended within seconds. */
  readonly timeOut: (registry: Registry, stuck: StuckReport['stuck']) => Promise<TimedOut>;
  /** Reports that ten or more wrong tokens came within ten minutes. Called at most once a minute. */
  readonly reportWrongTokens: (client: string) => void;
  readonly endSession: (registry: Registry, id: string) => Promise<'ended' | 'over' | 'missing'>;
}
