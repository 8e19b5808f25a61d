import type { Death, DeathReport } from '../../../src/model/death.ts';
import { silentLog, type Log, type LogFields } from '../../../src/core/log.ts';
import { SessionDeathError } from '../../../src/driver/death.ts';
import { BrowserSession } from '../../../src/driver/browser-session.ts';
import type { SessionOptions } from '../../../src/driver/session-options.ts';
import type { SessionTarget } from '../../../src/driver/session-target.ts';
import { makeDeath } from '../../support/make-death.ts';

/** Makes a listener that records all reports, and halts on a death or a quit as the supervisor does. */
export function makeRecorder({ haltsOnDeath = true } = {}) {
  const halt = new AbortController();
  const reports: string[] = [];
  const deaths: DeathReport[] = [];
  const waiting = Promise.withResolvers<DeathReport>();
  return {
    halt,
    reports,
    deaths,
    /** Resolves with the first death, past or future. */
    died: waiting.promise,
    listener: {
      onAlive: () => void reports.push('alive'),
      onDeath: (report: DeathReport) => {
        reports.push(`dead: ${report.cause} (${report.detectedBy})`);
        deaths.push(report);
        if (haltsOnDeath) halt.abort(new SessionDeathError(toDeath(report)));
        waiting.resolve(report);
      },
      onQuit: () => void reports.push('quit'),
      onRefused: () => void reports.push('refused'),
    },
  };
}

export interface OpenOptions {
  readonly recorder?: ReturnType<typeof makeRecorder>;
  readonly startSignal?: AbortSignal;
  readonly commandTimeoutMs?: number;
  readonly heartbeatTimeoutMs?: number;
  readonly browser?: SessionOptions['browser'];
  readonly log?: Log;
}

/** Starts a session; disposing ends it. */
export async function openSession(
  target: SessionTarget,
  {
    recorder = makeRecorder(),
    startSignal,
    commandTimeoutMs = 20_000,
    heartbeatTimeoutMs = 1_000,
    browser = {},
    log = silentLog,
  }: OpenOptions = {},
) {
  const session = await BrowserSession.start({
    target,
    browser,
    signal: recorder.halt.signal,
    ...(startSignal === undefined ? {} : { startSignal }),
    commandTimeoutMs,
    heartbeatTimeoutMs,
    listener: recorder.listener,
    log,
  });
  recorder.reports.length = 0;
  return {
    session,
    driver: session.driver,
    ...recorder,
    async [Symbol.asyncDispose]() {
      await session.stop();
      await session.killNow();
    },
  };
}

/** Makes a log that records its warnings. */
export function makeWarnings() {
  const warnings: string[] = [];
  const log: Log = {
    ...silentLog,
    warn: (message: string, fields?: LogFields) => void warnings.push(`${message} ${JSON.stringify(fields)}`),
  };
  return { log, warnings };
}

function toDeath({ cause, detectedBy, message }: DeathReport): Death {
  return makeDeath({
    cause,
    detectedBy,
    at: new Date().toISOString(),
    evidence: { message, url: null, lastCommands: [] },
  });
}
