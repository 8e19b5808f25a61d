/** Checks the options that a user's program gives, before anything is started with them. */
import { suggestKnown } from './did-you-mean.ts';
import { ConfigError } from './errors.ts';

/** A type that an option may have. */
export interface OptionKind {
  /** Follows "must be" in a message. */
  readonly words: string;
  readonly accepts: (value: unknown) => boolean;
}

/** Each option of a function by its name. */
export type OptionKinds = Readonly<Record<string, OptionKind>>;

const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);

export const TEXT: OptionKind = { words: 'a text', accepts: (value) => typeof value === 'string' };
export const FLAG: OptionKind = { words: 'true or false', accepts: (value) => typeof value === 'boolean' };
export const OBJECT: OptionKind = { words: 'an object', accepts: isObject };
export const FLAG_OR_OBJECT: OptionKind = {
  words: 'true, false or an object',
  accepts: (value) => FLAG.accepts(value) || isObject(value),
};
export const FUNCTION: OptionKind = { words: 'a function', accepts: (value) => typeof value === 'function' };
export const SIGNAL: OptionKind = { words: 'an AbortSignal', accepts: (value) => value instanceof AbortSignal };
export const MILLISECONDS: OptionKind = {
  words: 'a number of milliseconds above 0',
  accepts: (value) => typeof value === 'number' && value > 0 && value < Infinity,
};
export const COUNT: OptionKind = {
  words: 'a whole number of at least 0',
  accepts: (value) => Number.isSafeInteger(value) && Number(value) >= 0,
};
export const POSITIVE_COUNT: OptionKind = {
  words: 'a whole number of at least 1',
  accepts: (value) => Number.isSafeInteger(value) && Number(value) >= 1,
};
/** The option has a check of its own. */
export const CHECKED_ELSEWHERE: OptionKind = { words: 'anything', accepts: () => true };

/**
 * Throws `ConfigError` for an option that `kinds` does not name, and for one of another type; undefined counts as not given. The message
 * never holds a value, which may be a secret. `what` names the function that takes the options.
 */
export function validateOptions(what: string, options: unknown, kinds: OptionKinds): void {
  if (!isObject(options))
    throw new ConfigError(`${what} takes an object of options, and was given ${typeOf(options)}.`);
  const entries = Object.entries(options as object).filter(([, value]) => value !== undefined);
  const unknown = entries.map(([name]) => name).filter((name) => !Object.hasOwn(kinds, name));
  if (unknown.length > 0)
    throw new ConfigError(`${what} has no option ${unknown.join(', ')}.${suggestKnown(unknown, Object.keys(kinds))}`);
  for (const [name, value] of entries) validateOption(name, value, kinds[name] ?? CHECKED_ELSEWHERE);
}

/** Throws `ConfigError` naming the option if its value is of another kind. */
export function validateOption(name: string, value: unknown, { words, accepts }: OptionKind): void {
  if (!accepts(value)) throw new ConfigError(`The option ${name} must be ${words}, and is ${typeOf(value)}.`);
}

function typeOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'number') return `the number ${value}`;
  if (typeof value === 'boolean') return String(value);
  const words: Readonly<Record<string, string>> = { string: 'a text', object: 'an object', function: 'a function' };
  return words[typeof value] ?? `a ${typeof value}`;
}
