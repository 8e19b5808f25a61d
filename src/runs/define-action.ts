/** Defines an action, and validates its definition before anything runs. */
import { z } from 'zod';

import { ActionError } from '../core/errors.ts';
import { toFlag } from '../core/shell-words.ts';
import type { BrowserOptions, RestoreParts } from '../supervisor/supervisor.ts';
import type { ActionContext, PrepareContext } from './context.ts';

/** The flags of the `run` command. Parameters become flags, too, so no parameter may have one of these names. */
export const RUN_FLAGS = [
  'owner',
  'wait',
  'sessions',
  'grid',
  'headed',
  'browser-argument',
  'proxy',
  'accept-insecure-certs',
  'user-data-dir',
  'download-dir',
  'resume',
  'redo',
  'session-state',
  'record',
  'recover',
  'standby',
  'rehearse',
  'output',
  'format',
  'report',
  'json',
  'verbose',
  'help',
  'version',
] as const;

export interface ActionDefinition<Params extends z.ZodObject> {
  /** Lower case, digits and dashes. */
  readonly name: string;
  /** One line, shown in lists. */
  readonly description: string;
  /** A zod object; each property becomes a flag of `run`, in kebab case. Descriptions become help texts. */
  readonly params: Params;
  /** The site that the action works on. It must be reachable before a browser starts. Relative API URLs are resolved against it. */
  baseUrl?(params: z.output<Params>): string;
  /** The owner of the session. @default the run's id */
  owner?(params: z.output<Params>): string;
  /** Options of the browser, such as its language. They are merged with the settings and flags of the user, which win. */
  browser?(params: z.output<Params>): Omit<BrowserOptions, 'headless' | 'browserName'>;
  /**
   * Splits the work for workers: returns one set of parameters for each shard, which replace those of the whole. Together the shards do the
   * work of the whole, and no two do the same. `count` is the number that the user asks for with `--shards`.
   */
  shards?(
    params: z.output<Params>,
    options: { readonly count: number | undefined },
  ): readonly Partial<z.input<Params>>[];
  /**
   * The parts of the browser's state that a new session gets after a death: cookies, storage, and the page that the last step left.
   * @default true: all of them
   */
  restore?: boolean | RestoreParts;
  /**
   * `writes` if the action changes something at the site, for example an order. Repeated effects then make the run `partial`, and
   * a rehearsal, which does the work several times, warns before it begins. @default 'reads'
   */
  effects?: 'reads' | 'writes';
  /** Runs once on every new session, for example to log in or set cookies. Has no steps, saves or batches. If it throws, the run fails. */
  prepare?(context: PrepareContext<z.output<Params>>): Promise<void> | void;
  /** Does the work. After a death it is entered again from the top on a new session; finished steps then return at once. */
  run(context: ActionContext<z.output<Params>>): Promise<void> | void;
}

/** A validated definition. `isAction` distinguishes it from the other exports of a module. */
export interface Action<Params extends z.ZodObject = z.ZodObject> extends ActionDefinition<Params> {
  readonly isAction: true;
}

const FLAG = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** Validates and freezes an action. Throws `ActionError` that names what is wrong. */
export function defineAction<Params extends z.ZodObject>(definition: ActionDefinition<Params>): Action<Params> {
  const { name, description, params } = definition;
  const label = typeof name === 'string' && name !== '' ? `Action "${name}"` : 'An action';
  const complain = (what: string): never => {
    throw new ActionError(`${label}: ${what}.`);
  };
  if (typeof name !== 'string' || !NAME.test(name))
    complain('`name` must be lower case letters and digits with single dashes, such as "gather-prices"');
  if (typeof description !== 'string' || description.trim() === '')
    complain('`description` is missing; one line says what the action does');
  if (!(params instanceof z.ZodObject))
    complain('`params` must be a zod object, such as z.object({ url: z.url() }); import z from webdriver-supervisor');
  if (typeof definition.run !== 'function') complain('`run` is missing; it is the function that does the work');
  for (const optional of ['baseUrl', 'browser', 'owner', 'shards', 'prepare'] as const) {
    if (definition[optional] !== undefined && typeof definition[optional] !== 'function')
      complain(`\`${optional}\` must be a function`);
  }
  const { restore, effects = 'reads' } = definition;
  if (restore !== undefined && !isRestore(restore))
    complain('`restore` must be true, false, or an object with `cookies`, `storage` and `page` as true or false');
  if (!['reads', 'writes'].includes(effects)) complain("`effects` must be 'reads' or 'writes'");
  const flags = new Map<string, string>();
  for (const parameter of Object.keys(params.shape)) {
    const flag = toFlag(parameter);
    if (!FLAG.test(flag))
      complain(`the parameter "${parameter}" can't be a flag; use letters, digits and _ for its name`);
    const other = flags.get(flag);
    if (other !== undefined) complain(`the parameters "${other}" and "${parameter}" would both be the flag --${flag}`);
    flags.set(flag, parameter);
    if ((RUN_FLAGS as readonly string[]).includes(flag) || flag.startsWith('no-')) {
      complain(
        `the parameter "${parameter}" would be the flag --${flag}, which is a flag of \`run\` itself; give it another name`,
      );
    }
  }
  return Object.freeze({ ...definition, isAction: true as const });
}

function isRestore(value: unknown): boolean {
  if (typeof value === 'boolean') return true;
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).every(
    ([part, choice]) => ['cookies', 'storage', 'page'].includes(part) && typeof choice === 'boolean',
  );
}

export function isAction(value: unknown): value is Action {
  return typeof value === 'object' && value !== null && (value as { isAction?: unknown }).isAction === true;
}
