/** The settings of a manager that can be changed while it runs, and their validation. */
import { ConfigError } from '../core/errors.ts';
import type { CleanupPolicy } from '../upkeep/upkeep.ts';

export interface ManagerSettings {
  readonly maxSessions?: number;
  readonly sessionTimeoutMs?: number;
  readonly cleanupIntervalMs?: number;
  readonly cleanupBatchSize?: number;
  readonly policy?: Partial<CleanupPolicy>;
}

/** The longest delay of a Node.js timer; a longer one fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Throws `ConfigError` for a value that can't be used. */
export function validateSettings({ policy = {}, ...settings }: ManagerSettings): void {
  for (const name of ['maxSessions', 'cleanupBatchSize'] as const) {
    const value = settings[name];
    if (value !== undefined && (!Number.isInteger(value) || value < 1))
      throw new ConfigError(`${name} is ${value}; it must be a whole number of at least 1.`);
  }
  for (const name of ['sessionTimeoutMs', 'cleanupIntervalMs'] as const) {
    const value = settings[name];
    if (value !== undefined && !(value > 0 && value <= MAX_TIMER_MS))
      throw new ConfigError(`${name} is ${value}; it must be more than 0 and at most ${MAX_TIMER_MS} (24.8 days).`);
  }
  for (const [name, hours] of Object.entries(policy)) validateAge(`policy.${name}`, hours);
}

/** Returns `value`. Throws `ConfigError` if it is not an age. */
export function validateAge(name: string, value: number): number {
  if (Number.isFinite(value) && value >= 0) return value;
  throw new ConfigError(`${name} is ${value}; it must be a number of at least 0.`);
}
