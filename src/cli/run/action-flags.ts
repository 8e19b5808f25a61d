/** Maps the parameters of an action to flags. Their types, choices, defaults and limits come from its zod schema. */
import { z } from 'zod';

import { toFlag } from '../../core/shell-words.ts';
import type { Action } from '../../runs/runs.ts';
import { parseJson, showValue, type Flag, type FlagProblem } from './flags.ts';

/** The keywords of JSON Schema that zod writes and that a command line needs. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly prefixItems?: readonly Schema[];
  readonly format?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly minLength?: number;
  readonly $ref?: string;
}

export interface ActionParameter extends Flag {
  /** The name in the action's schema. */
  readonly parameter: string;
  /** The description of an allowed value, such as "a whole number of at least 1". */
  readonly allowed: string;
}

const FORMATS: Readonly<Record<string, string>> = {
  uri: 'a URL',
  email: 'an e-mail address',
  date: 'a date such as 2026-01-31',
  'date-time': 'a time such as 2026-01-31T12:00:00Z',
  uuid: 'a UUID',
};

/** Returns the parameters in the order of the schema. */
export function toActionParameters(action: Action): ActionParameter[] {
  const { properties = {}, required = [], $defs = {} } = readSchema(action);
  return Object.keys(action.params.shape).map((parameter) => {
    const schema = resolve(properties[parameter] ?? {}, $defs);
    const isList = isListOfPlain(schema, $defs);
    const value = isList ? resolve(schema.items ?? {}, $defs) : schema;
    const choices = choicesOf(value);
    return {
      parameter,
      name: toFlag(parameter),
      kind: kindOf(value),
      description: schema.description ?? value.description ?? '',
      placeholder: placeholderOf(value),
      ...(choices === undefined ? {} : { choices }),
      isList,
      isRequired: required.includes(parameter),
      defaultValue: schema.default,
      allowed: describeAllowed(value),
    };
  });
}

/**
 * Returns the value of a parameter. A text that the schema refuses may be meant as JSON, such as `5` for
 * `z.union([z.literal('all'), z.number()])`.
 */
export function readParameter(action: Action, parameter: string, value: unknown): unknown {
  const schema = action.params.shape[parameter];
  if (schema === undefined || typeof value !== 'string' || z.safeParse(schema, value).success) return value;
  try {
    const other = parseJson(value);
    return other.isExact && z.safeParse(schema, other.value).success ? other.value : value;
  } catch {
    // It is no JSON. The schema's own complaint about the text is reported.
    return value;
  }
}

/** Returns the problems that the action's schema finds in `values`. `isMissing`: a required parameter was not given. */
export function checkParameters(
  action: Action,
  values: Readonly<Record<string, unknown>>,
): (FlagProblem & { readonly isMissing: boolean })[] {
  const parsed = action.params.safeParse(values);
  if (parsed.success) return [];
  const parameters = toActionParameters(action);
  return parsed.error.issues.map(({ path: [name], message }) => {
    const parameter = parameters.find((candidate) => candidate.parameter === name);
    if (parameter === undefined) return { flag: '', isMissing: false, message: message.replace(/\.?$/, '.') };
    const flag = `--${parameter.name}`;
    const meaning = parameter.description === '' ? '' : ` (${parameter.description})`;
    const value = values[parameter.parameter];
    return value === undefined
      ? {
          flag: parameter.name,
          isMissing: true,
          message: `${flag} is missing${meaning}; it must be ${parameter.allowed}.`,
        }
      : {
          flag: parameter.name,
          isMissing: false,
          message: `${flag} is ${showValue(parameter.parameter, value)}; it must be ${parameter.allowed}. ${message}.`,
        };
  });
}

/** Returns the parameters as JSON Schema. */
export function readSchema(action: Action): {
  properties?: Record<string, Schema>;
  required?: string[];
  $defs?: Record<string, Schema>;
} {
  return z.toJSONSchema(action.params, { io: 'input', unrepresentable: 'any', cycles: 'ref' }) as ReturnType<
    typeof readSchema
  >;
}

/** Follows references and removes `null` from unions: on a command line, a null value is a flag that is absent. */
function resolve(schema: Schema, definitions: Readonly<Record<string, Schema>>): Schema {
  const target = schema.$ref === undefined ? undefined : definitions[schema.$ref.replace('#/$defs/', '')];
  const { $ref: _ref, ...own } = schema;
  const whole = target === undefined ? own : { ...target, ...own };
  const { anyOf: alternatives, ...rest } = whole;
  const kept = alternatives
    ?.filter(({ type }) => type !== 'null')
    .map((alternative) => resolve(alternative, definitions));
  if (kept?.length === 1) return { ...kept[0], ...rest };
  return kept === undefined ? whole : { ...rest, anyOf: kept };
}

function typesOf({ type, anyOf }: Schema): string[] {
  if (anyOf !== undefined) return [...new Set(anyOf.flatMap(typesOf))];
  return (typeof type === 'string' ? [type] : [...(type ?? [])]).filter((name) => name !== 'null');
}

function choicesOf({ enum: values, const: value, anyOf }: Schema): string[] | undefined {
  if (values !== undefined) return values.map(String);
  if (value !== undefined) return [typeof value === 'string' ? value : JSON.stringify(value)];
  const each = anyOf?.map(choicesOf);
  return each?.every((choices) => choices !== undefined) === true ? each.flat() : undefined;
}

/** A tuple is not such a list. Neither is a value of any JSON: its only item would be the text of the whole value. */
function isListOfPlain(schema: Schema, definitions: Readonly<Record<string, Schema>>): boolean {
  const types = typesOf(schema);
  if (!types.includes('array') || types.includes('object') || schema.prefixItems !== undefined) return false;
  return kindOf(resolve(schema.items ?? {}, definitions)) !== 'json';
}

function kindOf(schema: Schema): Flag['kind'] {
  const types = typesOf(schema);
  if (types.length === 0 || types.includes('string')) return 'text';
  if (types.every((type) => type === 'number' || type === 'integer')) return 'number';
  return types.every((type) => type === 'boolean') ? 'boolean' : 'json';
}

function placeholderOf(schema: Schema): string {
  if (schema.format === 'uri') return 'url';
  return choicesOf(schema) !== undefined ? 'choice' : kindOf(schema);
}

function describeAllowed(schema: Schema): string {
  const choices = choicesOf(schema);
  if (choices !== undefined) return `one of ${choices.join(', ')}`;
  const kind = kindOf(schema);
  if (kind === 'boolean') return 'given or not';
  if (kind === 'json') return 'JSON of the right shape';
  if (kind === 'number')
    return (typesOf(schema).includes('number') ? 'a number' : 'a whole number') + describeLimits(schema);
  if (schema.format !== undefined) return FORMATS[schema.format] ?? 'a text of the right form';
  return (schema.minLength ?? 0) > 1 ? `a text of at least ${schema.minLength} characters` : 'a text';
}

/** Leaves out the limits of safe integers, which zod writes if the author set no limits. */
function describeLimits({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Schema): string {
  const low = minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER ? minimum : undefined;
  const high = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? maximum : undefined;
  if (low !== undefined && high !== undefined) return ` from ${low} to ${high}`;
  const limits = [
    low === undefined ? '' : `of at least ${low}`,
    high === undefined ? '' : `of at most ${high}`,
    exclusiveMinimum === undefined ? '' : `above ${exclusiveMinimum}`,
    exclusiveMaximum === undefined ? '' : `below ${exclusiveMaximum}`,
  ].filter(Boolean);
  return limits.length === 0 ? '' : ` ${limits.join(' and ')}`;
}
