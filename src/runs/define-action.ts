/** What an action is, and what is checked of it before anything runs. */
import { z } from 'zod';

import { ActionError } from '../core/errors.ts';
import { toFlag } from '../core/shell-words.ts';
import type { BrowserOptions, RestoreParts } from '../supervisor/supervisor.ts';
import type { ActionContext, PrepareContext } from './context.ts';

/** The flags of the `run` command; parameters become flags beside them, so no parameter may be named like one. */
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
  'recover',
  'rehearse',
  'output',
  'format',
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
  /** The site that the action works on: checked to be reachable before a browser starts; relative API URLs stand against it. */
  baseUrl?(params: z.output<Params>): string;
  /** Whom the session belongs to. Default: the run itself. */
  owner?(params: z.output<Params>): string;
  /** Options of the browser, such as its language. They are merged with the settings and flags of the user, which win. */
  browser?(params: z.output<Params>): Omit<BrowserOptions, 'headless' | 'browserName'>;
  /** Parameter sets that together do the same work, for many machines. */
  shards?(params: z.output<Params>): readonly z.input<Params>[];
  /**
   * What a new session gets of what the steps had changed in the browser: cookies, storage, and the page that the last step left.
   * @default true: everything
   */
  restore?: boolean | RestoreParts;
  /**
   * Whether the action changes something at the site, such as an order. Repeated effects then make the run `partial`, and a rehearsal,
   * which does the work several times, warns before it begins. @default 'reads'
   */
  effects?: 'reads' | 'writes';
  /** Once on every new session: log in, set cookies. No steps, saves or batches; a throw fails the run. */
  prepare?(context: PrepareContext<z.output<Params>>): Promise<void> | void;
  /** The work. Entered again from the top on a new session after a death; finished steps then return at once. */
  run(context: ActionContext<z.output<Params>>): Promise<void> | void;
}

/** A checked definition. `isAction` tells it from whatever else a module may export. */
export interface Action<Params extends z.ZodObject = z.ZodObject> extends ActionDefinition<Params> {
  readonly isAction: true;
}

const FLAG = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** Checks and freezes an action. Throws `ActionError` naming what is wrong with it. */
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
        `the parameter "${parameter}" would be the flag --${flag}, which \`run\` has for itself; give it another name`,
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
