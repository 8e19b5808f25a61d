/**
 * Loads modules that default-export an action, from anywhere: a file outside of any package may `import 'webdriver-supervisor'` and
 * gets this very copy of it. Whatever is wrong with a module is told in one message that names the place.
 */
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';

import { raceSignal, withDeadline } from '../core/abort.ts';
import { ConfigError, DeadlineError, InvariantError } from '../core/errors.ts';
import { isAction, type Action } from '../runs/runs.ts';
import { explainLoadError, shortPath } from './load-errors.ts';
import { entryUrl, isOfLaterEntry, toEntryOf, withPlainName } from './module-entries.ts';
import { withModuleSyntax } from './module-syntax.ts';

const PACKAGE = 'webdriver-supervisor';
/** A module that awaits for ever at its top level would leave us waiting without a word. */
const LOAD_LIMIT_MS = 30_000;

export class ActionLoader {
  /** The module that Node took up last: where a syntax error is, for Node's error doesn't always tell. */
  #lastUrl: string | undefined;
  #last: { readonly file: string; readonly signal: AbortSignal } | undefined;
  /** How often the last action was loaded. */
  #entry = 1;

  /** Changes how modules are found for the rest of the program, for an action may import more later. */
  static install(): ActionLoader {
    const loader = new ActionLoader();
    registerHooks({
      resolve: (specifier, context, next) => {
        try {
          return toEntryOf(context.parentURL, withModuleSyntax(next(specifier, context)));
        } catch (thrown) {
          if (specifier !== PACKAGE && !specifier.startsWith(`${PACKAGE}/`)) throw thrown;
          return next(specifier, { ...context, parentURL: import.meta.url });
        }
      },
      load: (url, context, next) => {
        loader.#lastUrl = url;
        const loaded = next(url, context);
        return isOfLaterEntry(url) ? withPlainName(loaded, url) : loaded;
      },
    });
    return loader;
  }

  private constructor() {}

  /** Throws `ConfigError` for a module that can't be loaded or is no action; `signal.reason` when that aborts first. */
  async load(file: string, signal: AbortSignal): Promise<Action> {
    this.#last = { file, signal };
    this.#entry = 1;
    return this.#import(pathToFileURL(file).href, { file, signal });
  }

  /**
   * Loads the last action once more: a new instance of its module and of the local files that it imports, so that their variables have
   * their first values. Packages, and this library, stay as they are. Throws as `load` does.
   */
  async reload(): Promise<Action> {
    if (this.#last === undefined) throw new InvariantError('`reload` was called before `load`.');
    this.#entry += 1;
    return this.#import(entryUrl(this.#last.file, this.#entry), this.#last);
  }

  async #import(
    url: string,
    { file, signal }: { readonly file: string; readonly signal: AbortSignal },
  ): Promise<Action> {
    const name = shortPath(file);
    let module: Record<string, unknown>;
    try {
      const loading = import(url) as Promise<Record<string, unknown>>;
      module = await raceSignal(withDeadline(loading, LOAD_LIMIT_MS, `Loading ${name}`), signal);
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      if (thrown instanceof DeadlineError) {
        throw new ConfigError(
          `${name} was not loaded after ${LOAD_LIMIT_MS / 1_000} s: it awaits something outside of \`run\`. Move that into \`prepare\` or \`run\`.`,
        );
      }
      throw await explainLoadError(thrown, { file, lastUrl: this.#lastUrl });
    }
    return toAction(module, name);
  }
}

function toAction(module: Record<string, unknown>, name: string): Action {
  const { default: action } = module;
  if (isAction(action)) return action;
  const example = '`export default defineAction({ name, description, params, run })`';
  if (action !== undefined) {
    const what = isDefinition(action)
      ? 'a definition that was not passed through defineAction'
      : `${describe(action)} and no action`;
    throw new ConfigError(`${name}: its default export is ${what}. Write ${example}.`);
  }
  const named = Object.keys(module).find((key) => isAction(module[key]));
  const hint =
    named === undefined
      ? `Write ${example}`
      : `It exports the action \`${named}\` by name; write \`export default ${named}\``;
  throw new ConfigError(`${name} has no default export, so there is nothing to run. ${hint}.`);
}

function isDefinition(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'run' in value && 'params' in value;
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return `${/^[aeiou]/.test(typeof value) ? 'an' : 'a'} ${typeof value}`;
}
