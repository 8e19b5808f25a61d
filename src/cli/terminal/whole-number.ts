/** Whole numbers as values of options. */
import { ConfigError } from '../../core/errors.ts';

/** Returns `text` as a whole number, or throws `ConfigError` with the allowed ones. */
export function toWhole(
  flag: string,
  text: string,
  { min, max }: { readonly min: number; readonly max?: number },
): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= min && number <= (max ?? Number.MAX_SAFE_INTEGER)) return number;
  const range = max === undefined ? `of at least ${min}` : `from ${min} to ${max}`;
  throw new ConfigError(`${flag} is ${JSON.stringify(text)}; it must be a whole number ${range}.`);
}
