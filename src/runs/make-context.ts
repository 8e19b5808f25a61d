/** Builds what one entry of `run` is given, out of the session that it begins on. */
import { writeFile, mkdir } from 'node:fs/promises';
import path from 'node:path';

import { anySignal } from '../core/abort.ts';
import { ActionError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { RunStore } from '../registry/registry.ts';
import type { SessionSupervisor } from '../supervisor/supervisor.ts';
import { runActionBatch } from './batches.ts';
import type { ActionContext, PrepareContext } from './context.ts';
import { toFileName } from './export.ts';
import type { Ledger } from './ledger.ts';
import type { SessionPool } from './session-pool.ts';
import { Steps, toRecordEntry } from './steps.ts';

export interface ContextParts {
  readonly runId: string;
  readonly params: Record<string, unknown>;
  readonly supervisor: SessionSupervisor;
  readonly runSignal: AbortSignal;
  readonly folder: string;
  readonly log: Log;
}

export interface RunParts extends ContextParts {
  readonly store: RunStore;
  readonly ledger: Ledger;
  readonly pool: SessionPool;
  readonly sessions: number | undefined;
  readonly onProgress: () => void;
  readonly onDisplay: (display: { done: number; total: number; label?: string }) => void;
}

/** For `prepare`: the session, and nothing that is counted. */
export function makePrepareContext({
  runId,
  params,
  supervisor,
  runSignal,
  folder,
  log,
}: ContextParts): PrepareContext {
  // Taken now: after a death and a restart these still mean the session that this entry began on, which refuses them.
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
      const folderOfPictures = path.join(folder, 'screenshots');
      const file = path.join(folderOfPictures, `${toFileName(name)}.png`);
      const picture = await driver.takeScreenshot();
      await mkdir(folderOfPictures, { recursive: true });
      await writeFile(file, picture, 'base64');
      return file;
    },
  };
}

/** For one entry of `run`. */
export function makeRunContext(parts: RunParts): ActionContext {
  const { supervisor, ledger, store, runSignal, pool, sessions, onProgress, onDisplay, log } = parts;
  const prepared = makePrepareContext(parts);
  const steps = new Steps({ store, ledger, sessionSignal: supervisor.signal, runSignal, onProgress, log });
  ledger.beginPass();
  return {
    ...prepared,
    step: (key, work, options) => steps.step(key, work, options),
    batch: (name, items, worker, options) =>
      runActionBatch({ supervisor, steps, ledger, runSignal, pool, sessions }, { name, items, worker, options }),
    save: async (record, options) => {
      steps.throwIfOver();
      steps.assertNoneRuns('ctx.save');
      const entry = toRecordEntry(record, options);
      await store.saveRecord(entry, ledger.orderOfRecord(entry));
      onProgress();
    },
    progress: (done, total, label) => {
      if (!Number.isFinite(done) || !Number.isFinite(total) || done < 0 || total < 0) {
        throw new ActionError(`ctx.progress(${done}, ${total}): both must be numbers of at least 0.`);
      }
      onDisplay({ done, total, ...(label === undefined ? {} : { label }) });
      onProgress();
    },
  };
}
