/**
 * Flags as data, in one shape for the flags of `run` and for an action's parameters. Commander takes them from the command line; their values
 * are checked afterwards, because all problems are reported at once and commander throws at the first.
 */
import { Command, Option } from 'commander';
import { z } from 'zod';

import { redactText, redactValue } from '../../core/redact.ts';
import { didYouMean } from '../../core/did-you-mean.ts';

export interface Flag {
  /** In kebab case, without the leading dashes. */
  readonly name: string;
  readonly kind: 'text' | 'number' | 'boolean' | 'json';
  readonly description: string;
  /** Stands for the value in help texts. */
  readonly placeholder?: string;
  /** The allowed texts. A boolean flag with choices can be given alone or with one of them: `--flag`, `--flag=choice`. */
  readonly choices?: readonly string[];
  /** Allows the flag several times. Its value is then a list. Any other flag is refused if it is given several times. */
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

/** Stands for the value of a flag that was given without one. No word of a command line can have this character. */
const NO_VALUE = '\0';
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

export function parseFlags(args: readonly string[], flags: readonly Flag[]): ParsedFlags {
  const given = new Map<string, string[]>();
  const command = new Command();
  const accept = (name: string, words: string, preset: string) => {
    const add = (text: string) => given.set(name, [...(given.get(name) ?? []), text]);
    command.addOption(new Option(words).preset(preset).argParser(add));
  };
  for (const { name, kind } of flags) {
    // A value that is optional for commander is never a word that looks like a flag.
    accept(name, `--${name} [value]`, kind === 'boolean' ? 'true' : NO_VALUE);
    if (kind === 'boolean') accept(name, `--no-${name}`, 'false');
  }
  const { operands, unknown } = command.parseOptions([...args]);
  const values = new Map<string, unknown>();
  const problems: FlagProblem[] = [];
  for (const flag of flags) {
    const texts = given.get(flag.name);
    if (texts === undefined) continue;
    const results = texts.map((text) => toValue(text, flag));
    const wrong = results.flatMap((result) => ('problem' in result ? [result.problem] : []));
    const whole = results.flatMap((result) => ('value' in result ? [result.value] : []));
    const distinct = flag.kind === 'boolean' ? [...new Set(whole)] : whole;
    if (wrong.length === 0 && flag.isList !== true && distinct.length > 1)
      wrong.push(describeRepeated(flag.name, distinct));
    problems.push(...wrong.map((message) => ({ flag: flag.name, message })));
    if (wrong.length === 0) values.set(flag.name, flag.isList === true ? whole : whole[0]);
  }
  // Words behind an unknown flag are most likely its values.
  const refused = unknown.filter((word) => /^-./.test(word) && word !== '--');
  // A word that begins with a dash behind a flag without a value is most likely that value, which can be a secret.
  const needy = flags.filter(({ kind }) => kind !== 'boolean').map(({ name }) => `--${name}`);
  const isMeantAsValue = (word: string) => args.some((arg, at) => arg === word && needy.includes(args[at - 1] ?? ''));
  problems.push(...refused.filter((word) => !isMeantAsValue(word)).map((word) => refuse(word, flags)));
  return { values, positionals: operands, problems };
}

/** Returns a value as messages show it: quoted, short, and without secrets. */
export function showValue(name: string, value: unknown): string {
  const safe = (redactValue({ [name]: value }) as Record<string, unknown>)[name];
  const text = redactText(JSON.stringify(safe));
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** The message about a flag that was given several times, with all of its values. */
export function describeRepeated(name: string, values: readonly unknown[]): string {
  const each = values.map((value) => showValue(name, value)).join(' and ');
  return `--${name} is given ${values.length === 2 ? 'twice' : `${values.length} times`}: ${each}. Give it once.`;
}

function toValue(text: string, flag: Flag): { value: unknown } | { problem: string } {
  const { name, kind, choices, placeholder } = flag;
  const shown = showValue(name, text);
  if (kind === 'boolean') {
    if (choices?.includes(text) === true) return { value: text };
    const value = z.stringbool().safeParse(text);
    if (value.success) return { value: value.data };
    const ways = choices?.map((choice) => `--${name}=${choice}`) ?? [`--no-${name}`];
    const what = choices === undefined ? 'takes no value' : `is ${shown}`;
    return { problem: `--${name} ${what}; write --${name} or ${ways.join(' or ')}.` };
  }
  if (text === NO_VALUE && choices !== undefined)
    return { problem: `--${name} needs a value: one of ${choices.join(', ')}.` };
  if (text === NO_VALUE) {
    return {
      problem: `--${name} needs a value: --${name} <${placeholder}>. If the value begins with a dash, write --${name}=-value.`,
    };
  }
  if (choices !== undefined && !choices.includes(text))
    return { problem: `--${name} is ${shown}; it must be one of ${choices.join(', ')}.${didYouMean(text, choices)}` };
  if (kind === 'text') return { value: text };
  const inexact = { problem: `--${name} is ${shown}; JavaScript can't represent that number exactly.` };
  if (kind === 'number') {
    if (!NUMBER.test(text.trim())) return { problem: `--${name} is ${shown}; it must be a number.` };
    return isExact(text.trim()) ? { value: Number(text) } : inexact;
  }
  try {
    const { value, isExact: isWhole } = parseJson(text);
    return isWhole ? { value } : inexact;
  } catch {
    return { problem: `--${name} must be JSON, such as '{"a": 1}'; ${shown} isn't.` };
  }
}

/** Returns the value, and whether all its numbers are exact. Throws `SyntaxError`. */
export function parseJson(text: string): { readonly value: unknown; readonly isExact: boolean } {
  let areExact = true;
  const value: unknown = JSON.parse(text, (_key, part: unknown, { source }: { source?: string } = {}) => {
    if (typeof part === 'number' && source !== undefined) areExact &&= isExact(source);
    return part;
  });
  return { value, isExact: areExact };
}

/** Returns whether a number keeps its value: no digit of an integer, such as a long id, is lost, and it is not infinite. */
function isExact(text: string): boolean {
  const value = Number(text);
  return Number.isFinite(value) && (!/^[+-]?\d+$/.test(text) || BigInt(value) === BigInt(text.replace(/^\+/, '')));
}

/** The value of an unknown flag is not shown: it can be a secret. */
function refuse(word: string, flags: readonly Flag[]): FlagProblem {
  const [typed = word] = word.split('=', 1);
  const name = typed.replace(/^--?/, '');
  const known = flags.flatMap((flag) => (flag.kind === 'boolean' ? [flag.name, `no-${flag.name}`] : [flag.name]));
  const shown = typed === word ? typed : `${typed}=…`;
  return { flag: name, message: `${shown} is unknown.${didYouMean(name, known, (one) => `--${one}`)}` };
}
