/** The data that a run stores for a resume, and the checks that a resume does not turn it into another run. */
import { isDeepStrictEqual } from 'node:util';

import type { StoredRun } from '../model/run.ts';
import { ConfigError } from '../core/errors.ts';
import { redactUrl, redactValue } from '../core/redact.ts';
import { toFlag } from '../core/shell-words.ts';
import type { Registry } from '../registry/registry.ts';
import type { Action } from './define-action.ts';
import { EXPORT_FORMATS, type ExportFormat } from './exports/formats.ts';
import { toFields, toPlain } from './stored-params.ts';

export interface StoredOptions {
  /** The output folder; false if no files are written. */
  readonly output?: string | false;
  readonly format?: ExportFormat;
  readonly sessions?: number;
  /** The action's file, if the user named the action by its file. */
  readonly target?: string;
  /** The URL of the Grid or driver, without credentials; null for browsers of this machine. */
  readonly endpoint?: string | null;
}

/**
 * Returns what to tell the user if a run that is resumed gets its browsers from another place than the one where it began; undefined if it
 * is the same.
 */
export function describeMove({ options }: StoredRun, gridUrl: string | undefined): string | undefined {
  const before = options['endpoint'] as string | null | undefined;
  const now = gridUrl === undefined ? null : redactUrl(gridUrl);
  if (before === undefined || before === now) return undefined;
  const toPlace = (endpoint: string | null) => endpoint ?? 'this machine';
  const wayBack = before === null ? 'without GRID_URL (--grid)' : `with GRID_URL=${before} (--grid)`;
  return `The run began with browsers of ${toPlace(before)}, and continues with those of ${toPlace(now)}. Resume it ${wayBack} to go back.`;
}

/** Finds the run to resume: the one with the id, or the newest of the action for `last`. Throws `ConfigError` if there is none to resume here. */
export async function findRun(
  registry: Registry,
  { name }: Action,
  { resume: wanted = 'last', isShard = false }: { readonly resume?: string; readonly isShard?: boolean },
): Promise<StoredRun> {
  const run =
    wanted === 'last'
      ? (await registry.runs.list({ action: name, hasShards: false, limit: 1 }))[0]
      : await registry.runs.get(wanted);
  if (run === undefined) {
    const what = wanted === 'last' ? `no run of ${name}` : `no run ${wanted}`;
    throw new ConfigError(`There is ${what} in the registry ${registry.location}. \`runs list\` shows its runs.`);
  }
  if (run.shards !== null || (run.parentId !== null && !isShard))
    throw new ConfigError(
      `The run ${run.id} was enqueued for workers. Continue it with \`enqueue ${run.action} --resume ${run.parentId ?? run.id}\`.`,
    );
  if (run.action !== name)
    throw new ConfigError(
      `The run ${run.id} is one of ${run.action}, not of ${name}. Resume it as ${run.action}, or begin a new run of ${name}.`,
    );
  return run;
}

export function readStoredOptions({ options }: StoredRun): StoredOptions {
  const { output, format, sessions } = options;
  return {
    ...(typeof output === 'string' || output === false ? { output } : {}),
    ...(EXPORT_FORMATS.some((known) => known === format) ? { format: format as ExportFormat } : {}),
    ...(typeof sessions === 'number' ? { sessions } : {}),
  };
}

/**
 * Returns the parameters for a resume: those of the run, and those that are given again because they are not stored. `parse` applies the
 * action's schema. Throws `ConfigError` that names each parameter with another value than in the run.
 */
export function resumeParams(
  run: StoredRun,
  params: unknown,
  parse: (params: Readonly<Record<string, unknown>>) => Record<string, unknown>,
): Readonly<Record<string, unknown>> {
  const given = toFields(params);
  const hidden = Array.isArray(run.options['hidden']) ? (run.options['hidden'] as string[]) : [];
  const missing = hidden.filter((name) => given[name] === undefined);
  if (missing.length > 0) {
    throw new ConfigError(
      `The run ${run.id} was begun with ${missing.map(toName).join(', ')}, which may be secret and is not stored: give it again to resume.`,
    );
  }
  const stored = { ...run.params, ...pick(given, hidden) };
  const names = Object.keys(given).filter((name) => given[name] !== undefined && !hidden.includes(name));
  const merged = { ...stored, ...pick(given, names) };
  if (names.length === 0) return merged;
  const before = toPlain(parse(stored));
  const now = toPlain(parse(merged));
  const differences = [...new Set([...Object.keys(before), ...Object.keys(now)])].filter(
    (name) => !isDeepStrictEqual(before[name], now[name]),
  );
  if (differences.length === 0) return merged;
  const lines = differences.map(
    (name) => `  ${toName(name)} was ${show(name, before[name])}, and is now ${show(name, now[name])}`,
  );
  throw new ConfigError(
    `The run ${run.id} was begun with other parameters:\n${lines.join('\n')}\n` +
      'Leave them out to resume it as it was, or begin a new run.',
  );
}

/** Throws `ConfigError` if a resume names another owner: the run's data belong to its owner. */
export function assertSameOwner(run: StoredRun | undefined, owner: string | undefined): void {
  if (run === undefined || owner === undefined || owner === run.owner) return;
  throw new ConfigError(
    `The run ${run.id} was begun for the owner "${run.owner}", not for "${owner}". Leave --owner out to resume it.`,
  );
}

function pick(from: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, from[name]]));
}

function toName(parameter: string): string {
  return `--${toFlag(parameter)}`;
}

function show(name: string, value: unknown): string {
  if (value === undefined) return 'not given';
  const { [name]: redacted } = redactValue({ [name]: value }) as Record<string, unknown>;
  return JSON.stringify(redacted);
}
