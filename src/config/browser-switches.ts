/** The switches of the browser's command line, as users write them. */
import { ConfigError } from '../core/errors.ts';

/**
 * Throws `ConfigError` if a switch has no dashes before it: it is a typing error, or a part of a value with spaces. `name` is the name of
 * the setting or option.
 */
export function assertSwitches(switches: readonly string[], name: string): void {
  const wrong = switches.find((one) => !one.startsWith('-'));
  if (wrong === undefined) return;
  throw new ConfigError(
    `${name} has ${JSON.stringify(wrong)}, which is not a switch of the browser: a switch begins with dashes, such as --accept-lang=de.`,
  );
}
