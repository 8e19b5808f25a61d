/** What can be changed about a manager while it runs, and what of it makes sense. */
import { ConfigError } from '../core/errors.ts';
import type { CleanupPolicy } from '../upkeep/upkeep.ts';

export interface ManagerSettings {
  readonly maxSessions?: number;
  readonly sessionTimeoutMs?: number;
  readonly cleanupIntervalMs?: number;
  readonly cleanupBatchSize?: number;
  readonly policy?: Partial<CleanupPolicy>;
}

/** Node's timers fire at once beyond it. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Throws `ConfigError` for a value that makes no sense. */
export function validateSettings({ policy = {}, ...settings }: ManagerSettings): void {
  for (const name of ['maxSessions', 'cleanupBatchSize'] as const) {
    const value = settings[name];
    if (value !== undefined && (!Number.isInteger(value) || value < 1))
      throw new ConfigError(`${name} is ${value}; it must be a whole number of at least 1.`);
  }
  for (const name of ['sessionTimeoutMs', 'cleanupIntervalMs'] as const) {
    const value = settings[name];
    if (value !== undefined && !(value > 0 && value <= LONGEST_TIMER_MS))
      throw new ConfigError(`${name} is ${value}; it must be more than 0 and at most ${LONGEST_TIMER_MS} (24.8 days).`);
  }
  for (const [name, hours] of Object.entries(policy)) validateAge(`policy.${name}`, hours);
}

/** Returns it; throws `ConfigError` for a number that is no age. */
export function validateAge(name: string, value: number): number {
  if (Number.isFinite(value) && value >= 0) return value;
  throw new ConfigError(`${name} is ${value}; it must be a number of at least 0.`);
}
