/**
 * Flags as data, in one shape for the flags of `run` and for an action's parameters. This module parses them instead of commander, because
 * an action's flags are known only after it is loaded, and because all problems with them are reported at once.
 */
import { didYouMean } from '../terminal/did-you-mean.ts';

export interface Flag {
  /** In kebab case, without the leading dashes. */
  readonly name: string;
  readonly kind: 'text' | 'number' | 'boolean' | 'json';
  readonly description: string;
  /** Stands for the value in help texts. */
  readonly placeholder: string;
  /** The allowed texts. A boolean flag with choices can be given alone or with one of them: `--flag`, `--flag=choice`. */
  readonly choices?: readonly string[];
  /** Allows the flag several times. Its value is then a list. */
  readonly isList?: boolean;
  readonly isRequired?: boolean;
  readonly defaultValue?: unknown;
}

/** A problem with one flag. The message is a sentence. */
export interface FlagProblem {
  readonly flag: string;
  readonly message: string;
}

export interface ParsedFlags {
  /** The values by flag name. Flags that were not given are absent. */
  readonly values: ReadonlyMap<string, unknown>;
  readonly positionals: readonly string[];
  readonly problems: readonly FlagProblem[];
}

const BOOLEANS: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  1: true,
  false: false,
  no: false,
  off: false,
  0: false,
};
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

export function parseFlags(args: readonly string[], flags: readonly Flag[]): ParsedFlags {
  const values = new Map<string, unknown>();
  const positionals: string[] = [];
  const problems: FlagProblem[] = [];
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--') {
      positionals.push(...rest.splice(0));
      continue;
    }
    if (!/^-[^\d.]/.test(arg)) {
      positionals.push(arg);
      continue;
    }
    const { typed, name, inline } = splitFlag(arg);
    const flag = flags.find((known) => known.name === name);
    const negated = flags.find((known) => known.kind === 'boolean' && `no-${known.name}` === name);
    if (negated !== undefined) {
      values.set(negated.name, false);
      continue;
    }
    if (flag === undefined) {
      problems.push({ flag: name, message: `${typed} is unknown.${suggestFlag(name, flags)}` });
      // The next word is most likely the value of the unknown flag.
      if (inline === undefined && isValue(rest[0])) rest.shift();
      continue;
    }
    const text = inline ?? (takesValue(flag, rest[0]) ? rest.shift() : undefined);
    const value = toValue(text, flag);
    if ('problem' in value) problems.push({ flag: name, message: value.problem });
    else if (flag.isList === true)
      values.set(name, [...((values.get(name) as unknown[] | undefined) ?? []), value.value]);
    else values.set(name, value.value);
  }
  return { values, positionals, problems };
}

function splitFlag(arg: string): { typed: string; name: string; inline: string | undefined } {
  if (arg === '-h') return { typed: arg, name: 'help', inline: undefined };
  const [, typed = arg, name = '', inline] = /^(--?([^=]*))(?:=([\s\S]*))?$/.exec(arg) ?? [];
  return { typed, name, inline };
}

/** Returns whether a word is a value. Negative numbers (`-5`) and a single dash are values; words that look like flags are not. */
function isValue(next: string | undefined): next is string {
  return next !== undefined && !/^-(-|[a-z])/i.test(next);
}

/** Returns whether the word after a flag is the value of the flag. */
function takesValue({ kind, choices = [] }: Flag, next: string | undefined): boolean {
  return kind === 'boolean' ? next !== undefined && choices.includes(next) : isValue(next);
}

function toValue(text: string | undefined, flag: Flag): { value: unknown } | { problem: string } {
  const { name, kind, choices, placeholder } = flag;
  if (kind === 'boolean') {
    if (text !== undefined && choices?.includes(text)) return { value: text };
    const value = text === undefined ? true : BOOLEANS[text.toLowerCase()];
    if (value !== undefined) return { value };
    return {
      problem:
        choices === undefined
          ? `--${name} takes no value; write --${name} or --no-${name}.`
          : `--${name} is ${show(text ?? '')}; write --${name} or ${choices.map((choice) => `--${name}=${choice}`).join(' or ')}.`,
    };
  }
  if (text === undefined) {
    return {
      problem: `--${name} needs a value: --${name} <${placeholder}>. If the value begins with a dash, write --${name}=-value.`,
    };
  }
  if (choices !== undefined && !choices.includes(text)) {
    return {
      problem: `--${name} is ${show(text)}; it must be one of ${choices.join(', ')}.${didYouMean(text, choices)}`,
    };
  }
  if (kind === 'number') {
    return NUMBER.test(text.trim())
      ? { value: Number(text) }
      : { problem: `--${name} is ${show(text)}; it must be a number.` };
  }
  if (kind === 'json') {
    try {
      return { value: JSON.parse(text) as unknown };
    } catch {
      return { problem: `--${name} must be JSON, such as '{"a": 1}'; ${show(text)} isn't.` };
    }
  }
  return { value: text };
}

function suggestFlag(name: string, flags: readonly Flag[]): string {
  const known = flags.flatMap((flag) => (flag.kind === 'boolean' ? [flag.name, `no-${flag.name}`] : [flag.name]));
  return didYouMean(name, known, (word) => `--${word}`);
}

function show(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
