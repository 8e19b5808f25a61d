/** Splits an action's work into shards and puts them into the queue. */
import { ConfigError } from '../core/errors.ts';
import { toFlag } from '../core/shell-words.ts';
import type { StoredRun } from '../model/run.ts';
import type { NewRun, Registry } from '../registry/registry.ts';
import { loadEngine, type Action } from '../runs/runs.ts';
import type { NewJob, Queue } from './queue.ts';

export const DEFAULT_QUEUE = 'shards';
export const DEFAULT_RETRIES = 3;
const MAX_SHARDS = 100_000;

export interface EnqueueOptions {
  readonly registry: Registry;
  readonly queue: Queue;
  /** @default `shards`, for a resume the queue of the first time */
  readonly queueName?: string | undefined;
  /** The name or file of the action for the workers. @default the action's name */
  readonly target?: string;
  /** The number of shards that the user asks for. */
  readonly count?: number | undefined;
  /** How often a shard is tried again after its worker was lost or its run failed. @default 3 */
  readonly retries?: number;
}

export interface Enqueued {
  readonly parentId: string;
  readonly shards: number;
}

/**
 * Creates the parent and its shards in the registry and puts the shards into the queue, all or nothing. Throws `ConfigError` before anything is
 * stored.
 */
export async function enqueue(action: Action, given: unknown, options: EnqueueOptions): Promise<Enqueued> {
  const { registry, target = action.name, count } = options;
  const { makeRunId, parseParams, toStoredParams } = await loadEngine();
  const sets = split(action, { given, params: parseParams(action, given), count });
  for (const set of sets) parseParams(action, set);
  const stored = [given, ...sets].map(toStoredParams);
  const hidden = [...new Set(stored.flatMap((one) => one.hidden))];
  if (hidden.length > 0)
    throw new ConfigError(
      `${hidden.map((name) => `--${toFlag(name)}`).join(', ')} may be secret, and the registry stores no secrets, so no worker would get it. Let the action read it from the environment of the worker.`,
    );
  const parentId = makeRunId();
  const [whole, ...parts] = stored.map(({ values }) => values);
  const { queue, queueName = DEFAULT_QUEUE, retries = DEFAULT_RETRIES } = options;
  const common = { action: action.name, options: { target, retries, queue: queueName } };
  await queue.prepare(queueName);
  const width = String(parts.length).length;
  await registry.shards.create(
    { ...common, id: parentId, owner: parentId, params: whole ?? {} },
    parts.map((params, index) => {
      const id = `${parentId}.${String(index + 1).padStart(width, '0')}`;
      const owner = action.owner?.(parseParams(action, params)) ?? id;
      return { ...common, id, owner, params, options: { ...common.options, output: false } };
    }),
    (shards, transaction) => queue.add(queueName, toJobs(parentId, shards), transaction),
  );
  return { parentId, shards: parts.length };
}

/** Puts the shards of a parent that are not completed into the queue again. Throws `ConfigError` if there is no such parent. */
export async function resumeParent(parent: StoredRun, options: EnqueueOptions): Promise<Enqueued> {
  if (parent.shards === null)
    throw new ConfigError(`The run ${parent.id} was not enqueued; resume it with \`run ${parent.action} --resume\`.`);
  const { queue: stored } = parent.options;
  const { registry, queue, queueName = typeof stored === 'string' ? stored : DEFAULT_QUEUE } = options;
  await queue.prepare(queueName);
  const open = await registry.shards.reopen(parent.id, (shards, transaction) =>
    queue.add(queueName, toJobs(parent.id, shards), transaction),
  );
  return { parentId: parent.id, shards: open.length };
}

function split(
  action: Action,
  {
    given,
    params,
    count,
  }: { readonly given: unknown; readonly params: Record<string, unknown>; readonly count: number | undefined },
): readonly Record<string, unknown>[] {
  const whole = given as Record<string, unknown>;
  if (action.shards === undefined) {
    if (count !== undefined && count > 1)
      throw new ConfigError(
        `${action.name} can't be split: it has no \`shards\`. Only its author knows which of its steps must be done once. Add \`shards(params, { count })\` to defineAction; it returns the parameters of each shard.`,
      );
    return [whole];
  }
  const parts: unknown = action.shards(params, { count });
  if (!Array.isArray(parts) || parts.length === 0 || parts.length > MAX_SHARDS || !parts.every(isFields))
    throw new ConfigError(
      `\`shards\` of ${action.name} must return a list of 1 to ${MAX_SHARDS} objects with parameters, such as [{ page: 1 }, { page: 2 }].`,
    );
  return parts.map((part) => ({ ...whole, ...part }));
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The first shards of all parents come first, then the second ones, so that a large parent does not block a small one. */
function toJobs(
  parentId: string,
  shards: readonly { readonly id: string; readonly options?: NewRun['options'] }[],
): NewJob[] {
  return shards.map(({ id: runId, options = {} }, index) => ({
    data: { parentId, runId, target: String(options['target']) },
    priority: -index,
    retries: Number(options['retries'] ?? DEFAULT_RETRIES),
  }));
}
