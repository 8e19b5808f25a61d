/** What the routes are given. */
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

/** The monitor as its routes see it. */
export interface MonitorFacts {
  readonly isClosing: boolean;
  readonly isLeader: boolean;
  /** Of whoever does the work of this registry; null where nobody is known to. */
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
  /** As it is answered. */
  readonly toRun: (run: StoredRun) => z.output<typeof shapes.run>;
  /** Aborts when the monitor closes: streams end then. */
  readonly closing: AbortSignal;
  readonly facts: () => MonitorFacts;
  /** Proves that the registry takes what is written. Rejects with the reason where it doesn't. */
  readonly probe: () => Promise<void>;
  readonly look: (registry: Registry, timeoutMs?: number) => Promise<StuckReport>;
  /** The rows; their browsers are ended within seconds. */
  readonly timeOut: (registry: Registry, stuck: StuckReport['stuck']) => Promise<TimedOut>;
  /** Ten or more wrong tokens came within ten minutes; called at most once a minute. */
  readonly reportWrongTokens: (client: string) => void;
  readonly endSession: (registry: Registry, id: string) => Promise<'ended' | 'over' | 'missing'>;
}
