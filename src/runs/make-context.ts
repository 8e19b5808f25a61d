/** Builds the context of one entry of `run` from the session that the entry begins on. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import { anySignal } from '../core/abort.ts';
import { callSiteOf } from '../core/call-site.ts';
import { ActionError, stackOf, toError } from '../core/errors.ts';
import { makeFolder, makeFolderSync, PRIVATE_FILE_MODE } from '../core/folders.ts';
import type { Log } from '../core/log.ts';
import { redactText } from '../core/redact.ts';
import type { StepId } from '../registry/registry.ts';
import type { SessionSupervisor } from '../supervisor/supervisor.ts';
import { runActionBatch } from './steps/batches.ts';
import type { LedgerEntry } from './replay/ledger.ts';
import { watchEffects } from './replay/command-guard.ts';
import type { ActionContext, PrepareContext } from './context.ts';
import { Downloads } from './downloads.ts';
import { toFileName } from '../core/file-names.ts';
import { OpenCalls, type OpenCall } from './steps/open-calls.ts';
import type { SessionPool } from './sessions/session-pool.ts';
import type { SessionRenewals } from './sessions/session-renewals.ts';
import { toStepFunction } from './steps/step-function.ts';
import type { StepsOptions } from './steps/step-options.ts';
import { Steps } from './steps/steps.ts';

export interface ContextParts {
  readonly runId: string;
  readonly params: Record<string, unknown>;
  readonly supervisor: SessionSupervisor;
  readonly runSignal: AbortSignal;
  readonly folder: string;
  readonly log: Log;
}

export interface RunParts
  extends
    ContextParts,
    Omit<StepsOptions, 'log' | 'runSignal' | 'sessionSignal' | 'isSameSession' | 'calls' | 'onDone'> {
  readonly pool: SessionPool;
  readonly renewals: SessionRenewals;
  readonly sessions: number | undefined;
  readonly stuckAfterMs: number;
  /** The browser's own folder of downloads, if it is known. */
  readonly downloadDir: string | undefined;
  readonly onDisplay: (display: { done: number; total: number; label?: string }) => void;
}

/** Makes the context of `prepare`: the session, without the functions whose work is counted. */
export function makePrepareContext(parts: ContextParts): PrepareContext {
  return {
    ...makeSessionContext(parts),
    get folder() {
      return openFolder(parts.folder);
    },
  };
}

function makeSessionContext({
  runId,
  params,
  supervisor,
  runSignal,
  folder,
  log,
}: ContextParts): Omit<PrepareContext, 'folder'> {
  // Read now: after a death and a restart they still belong to the session that this entry began on, which refuses calls.
  const { driver, api } = supervisor;
  return {
    driver,
    api,
    params,
    signal: anySignal(supervisor.signal, runSignal),
    log,
    runId,
    session: { id: supervisor.sessionId ?? '', owner: supervisor.owner, epoch: supervisor.epoch },
    screenshot: async (name) => {
      const screenshotFolder = path.join(folder, 'screenshots');
      const file = path.join(screenshotFolder, `${toFileName(name)}.png`);
      const picture = await driver.takeScreenshot();
      await makeFolder(screenshotFolder);
      await writeFile(file, picture, { encoding: 'base64', mode: PRIVATE_FILE_MODE });
      return file;
    },
  };
}

/** Creates the run's folder if it does not exist. Returns its absolute path. */
function openFolder(folder: string): string {
  makeFolderSync(folder);
  return path.resolve(folder);
}

/** One entry of `run`: the context for the action, and the calls for the run. */
export interface RunEntry extends AsyncDisposable {
  readonly context: ActionContext;
  /** Runs the code of `run`. */
  readonly enter: <Value>(run: () => Value) => Value;
  /** Returns the steps, batches and saves that the action has begun and that have not ended. */
  readonly openCalls: () => readonly OpenCall[];
  /** A failure that the code of `run` does not pass on: of a `ctx.save` that is not awaited, or of a refused command. */
  readonly unseenFailure: () => Error | undefined;
  /** Called when the page of a session of the run submits a form by POST. */
  readonly onPagePost: (session: AbortSignal) => void;
}

export function makeRunEntry(parts: RunParts): RunEntry {
  const { supervisor, ledger, pool, renewals, sessions, stuckAfterMs, onProgress, onDisplay } = parts;
  const { tidier } = parts.guard;
  const session = makeSessionContext(parts);
  const { signal: sessionSignal } = supervisor;
  const calls = new OpenCalls(parts.runSignal);
  const steps = new Steps({
    ...parts,
    calls,
    sessionSignal,
    isSameSession: () => supervisor.signal === sessionSignal,
    onDone: () => {
      supervisor.noteProgress();
      renewals.noteProgress();
    },
  });
  const saves = new UnseenFailures();
  const folder = path.join(parts.folder, 'downloads');
  const access = supervisor.browserState.downloads;
  const downloads = new Downloads({ folder, browserFolder: parts.downloadDir ?? folder, access });
  ledger.beginPass();
  parts.guard.enter(steps);
  const noteEffect = async (entry: LedgerEntry | undefined) => {
    if (entry !== undefined) await steps.noteEffect(entry);
  };
  /** Called before a step or a batch. The call is refused if this ends the entry. */
  const renewIfIdle = () => {
    if (steps.current === undefined && calls.list().length === 0) renewals.endIfDue(supervisor);
  };
  const context: ActionContext = {
    ...session,
    get folder() {
      return openFolder(parts.folder);
    },
    api: watchEffects(session.api, () => noteEffect(steps.current ?? steps.onlyOpen())),
    step: toStepFunction(
      (key, work, options) => {
        renewIfIdle();
        return calls.add(`the step "${key}"`, steps.step(key, work, options), steps.current);
      },
      () => keyOf(steps.current?.id),
    ),
    batch: (name, items, worker, options) => {
      renewIfIdle();
      const given = { supervisor, steps, ledger, pool, tidier, renewals, sessions, stuckAfterMs };
      const batch = runActionBatch(given, { name, items, worker, options });
      return calls.add(`the batch "${name}"`, batch, steps.current);
    },
    save: (record, options) => saves.add(calls.add('a save', steps.save(record, options)), options?.key),
    download: async (work, options) => {
      steps.throwIfOver();
      return downloads.fetch(work, { ...options, step: steps.current?.id, signal: steps.scopeSignal });
    },
    progress: (done, total, label) => {
      steps.throwIfOver();
      if (!Number.isFinite(done) || !Number.isFinite(total) || done < 0 || total < 0) {
        throw new ActionError(`ctx.progress(${done}, ${total}): both must be numbers of at least 0.`);
      }
      onDisplay({ done, total, ...(label === undefined ? {} : { label: redactText(label) }) });
      onProgress();
    },
  };
  return {
    context,
    openCalls: () => calls.list(),
    enter: (run) => steps.unit.runOutside(run),
    unseenFailure: () => parts.guard.refusedOutside ?? saves.first,
    onPagePost: (on) => void noteEffect(steps.onlyOpen(on)).catch(() => undefined),
    [Symbol.asyncDispose]: async () => {
      calls.close();
      await steps.close();
    },
  };
}

function keyOf(id: StepId | undefined): string | undefined {
  return id === undefined || id.batch === null ? id?.key : `${id.batch}/${id.key}`;
}

/** The failures of saves that no code awaits: an `await` is missing, and the record is lost. */
class UnseenFailures {
  readonly #failures: Error[] = [];

  get first(): Error | undefined {
    return this.#failures[0];
  }

  add<Value>(call: Promise<Value>, key: unknown): Promise<Value> {
    const stack = stackOf(new Error('call'));
    let isWatched = false;
    call.catch((thrown: unknown) => {
      if (isWatched) return;
      const location = callSiteOf(stack);
      const error = new ActionError(
        `The record "${String(key)}" was not saved: ${toError(thrown).message} Its \`save\`` +
          `${location === undefined ? '' : ` (${location})`} is not awaited, or its failure is ignored. Put \`await\` before it.`,
      );
      this.#failures.push(error);
    });
    // `await` reads `then`, as does all other code that waits. Code that only reads `catch` ignores the failure.
    return new Proxy(call, {
      get: (promise, name) => {
        if (name === 'then') isWatched = true;
        const member: unknown = Reflect.get(promise, name);
        return typeof member === 'function' ? (member.bind(promise) as unknown) : member;
      },
    });
  }
}
