/**
 * Watches for code of an action that ends the program or lets it end: `process.exit`, an uncaught error, an unhandled rejection, a promise
 * that never settles. The run then ends as failed, with its summary, and can be resumed.
 */
import path from 'node:path';
import { setTimeout } from 'node:timers';

import { ActionError, CancelledError, SupervisorError, toError } from '../../core/errors.ts';
import type { Action, OpenCall } from '../../runs/runs.ts';
import { locationInStack } from './load/explain-load-error.ts';
import { locationOfText } from './load/location-of-text.ts';
import type { ProgramEnd } from '../terminal/program-end.ts';
import { EXIT_FAILED } from '../terminal/report-error.ts';
import { printProblem } from '../terminal/terminal.ts';

/** A call of `process.exit` can be deep inside of a package that the action uses. */
const STACK_LINES = 100;
/** Keeps the event loop alive while the run ends, which takes less time than this. */
const END_LIMIT_MS = 60_000;

export interface MisuseOptions {
  readonly end: ProgramEnd;
  readonly stop: AbortController;
  /** Errors that the action's code threw, with their stacks. */
  readonly failures: Error[];
}

export class MisuseWatch {
  readonly #options: MisuseOptions;
  #source: { readonly file: string; readonly action?: Action } | undefined;
  #openCalls: () => readonly OpenCall[] = () => [];

  /** Watches until the program ends. */
  static start(options: MisuseOptions): MisuseWatch {
    const watch = new MisuseWatch(options);
    options.end.guard((call) => watch.#onEndCall(call));
    process.on('unhandledRejection', watch.#onStray('A rejected promise was not handled (look for a missing `await`)'));
    process.on(
      'uncaughtException',
      watch.#onStray('An error was not caught (it was thrown in an event listener or a timer)'),
    );
    process.on('beforeExit', () => watch.#onExhausted());
    return watch;
  }

  private constructor(options: MisuseOptions) {
    this.#options = options;
  }

  /** Sets the action's file. Messages name locations in its folder. */
  set source(source: { readonly file: string; readonly action?: Action }) {
    this.#source = source;
  }

  /** Sets the function that returns the calls of the action that have not ended. */
  set openCalls(read: () => readonly OpenCall[]) {
    this.#openCalls = read;
  }

  /** Returns where the action threw `failure`; otherwise where it is waiting now, or where its `run` begins. Undefined: unknown. */
  findLocation(failure?: Error): string | undefined {
    return (failure && this.#locate(failure)) ?? this.#findWaiting().location;
  }

  #findWaiting(): { readonly what: string; readonly location: string | undefined } {
    const [call] = this.#openCalls();
    if (call !== undefined) return { what: call.name, location: this.#locate(call.calledAt) };
    const { file, action } = this.#source ?? {};
    const location =
      file === undefined || action === undefined ? undefined : locationOfText(action.run.toString(), file);
    return { what: '`run`', location };
  }

  #locate(error: Error): string | undefined {
    return this.#source === undefined ? undefined : locationInStack(error, path.dirname(this.#source.file));
  }

  #onEndCall(call: string): Error {
    const location = this.#locate(captureStack());
    const error = new ActionError(
      `${call} was called${location === undefined ? '' : ` at ${location}`}, and the run was ended instead. An action must not end the program: to end early, return from \`run\`; to fail, throw an error.`,
    );
    this.#options.stop.abort(error);
    return error;
  }

  #onStray(what: string): (thrown: unknown) => void {
    return (thrown) => {
      const { stop, failures } = this.#options;
      const error = toError(thrown);
      // The error that ends the run was thrown and not caught; it is reported as the end of the run.
      if (error === stop.signal.reason) return;
      // Work was under way on a session that died or is ending. Its callers report that.
      if (error instanceof SupervisorError && (error.consequence === 'halt-session' || error instanceof CancelledError))
        return;
      failures.push(error);
      stop.abort(new ActionError(`${what}: ${error.message}`, { cause: error }));
    };
  }

  /** The event loop is empty, and the run has not ended. */
  #onExhausted(): void {
    const { end, stop } = this.#options;
    if (stop.signal.aborted) {
      printProblem('The program had nothing left to do before the run had ended.');
      end.exit(EXIT_FAILED);
    }
    setTimeout(() => undefined, END_LIMIT_MS);
    const { what, location } = this.#findWaiting();
    const where = location === undefined ? '' : ` (${location})`;
    stop.abort(
      new ActionError(
        `The program had nothing left to do while it waited for ${what}${where}. The action awaits a promise that never settles: make sure that it is resolved or rejected in all cases.`,
      ),
    );
  }
}

function captureStack(): Error {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = STACK_LINES;
  const captured = new Error('captured');
  Error.stackTraceLimit = stackTraceLimit;
  return captured;
}
