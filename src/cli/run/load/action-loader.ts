/**
 * Loads modules that default-export an action, from any folder: a file outside of any package can `import 'webdriver-supervisor'` and
 * gets this copy of it. An error in a module is reported in one message with its location.
 */
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';

import { raceSignal, withDeadline } from '../../../core/abort.ts';
import { ConfigError, DeadlineError, InvariantError } from '../../../core/errors.ts';
import { isAction, type Action } from '../../../runs/runs.ts';
import { explainLoadError, shortPath } from './explain-load-error.ts';
import { entryUrl, isOfLaterEntry, toEntryOf, withPlainName } from './module-entries.ts';
import { withModuleSyntax } from './module-syntax.ts';

const PACKAGE = 'webdriver-supervisor';
/** The time limit for a module that awaits something at its top level, perhaps forever. */
const LOAD_LIMIT_MS = 30_000;

export class ActionLoader {
  /** The module that Node loaded last. A syntax error is in it if Node's error names no file. */
  #lastUrl: string | undefined;
  #last: { readonly file: string; readonly signal: AbortSignal } | undefined;
  /** The number of times that the last action was loaded. */
  #entry = 1;
  #instances = 1;

  /** Installs its hooks for the rest of the program, because an action can import more modules later. */
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

  /** Throws `ConfigError` if the module can't be loaded or exports no action, and `signal.reason` if the signal aborts first. */
  async load(file: string, signal: AbortSignal): Promise<Action> {
    this.#last = { file, signal };
    this.#entry = 1;
    return this.#import(pathToFileURL(file).href, { file, signal });
  }

  /**
   * Loads the last action again, as a new instance of its module and of the local files that it imports, so that their variables have
   * their initial values. Packages and this library are not loaded again. Throws as `load` does.
   */
  async reload(): Promise<Action> {
    if (this.#last === undefined) throw new InvariantError('`reload` was called before `load`.');
    this.#entry += 1;
    return this.#import(entryUrl(this.#last.file, this.#entry), this.#last);
  }

  /** Loads another new instance of the module, for a program that does several runs at a time. Throws as `load` does. */
  async loadAnew(file: string, signal: AbortSignal): Promise<Action> {
    this.#instances += 1;
    return this.#import(entryUrl(file, this.#instances), { file, signal });
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
      : `${describe(action)}, not an action`;
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
