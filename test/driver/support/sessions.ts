import type { Death, DeathReport } from '../../../src/model/death.ts';
import { silentLog, type Log, type LogFields } from '../../../src/core/log.ts';
import { SessionDeathError } from '../../../src/driver/death.ts';
import { BrowserSession, type SessionOptions, type SessionTarget } from '../../../src/driver/browser-session.ts';

/** A listener that keeps what it is told, and halts on a death or a quit as the supervisor does. */
export function makeKeeper({ haltsOnDeath = true } = {}) {
  const halt = new AbortController();
  const told: string[] = [];
  const deaths: DeathReport[] = [];
  const waiting = Promise.withResolvers<DeathReport>();
  return {
    halt,
    told,
    deaths,
    /** The first death, past or to come. */
    died: waiting.promise,
    listener: {
      onAlive: () => void told.push('alive'),
      onDeath: (report: DeathReport) => {
        told.push(`dead: ${report.cause} (${report.detectedBy})`);
        deaths.push(report);
        if (haltsOnDeath) halt.abort(new SessionDeathError(toDeath(report)));
        waiting.resolve(report);
      },
      onQuit: () => void told.push('quit'),
      onRefused: () => void told.push('refused'),
    },
  };
}

export interface OpenOptions {
  readonly keeper?: ReturnType<typeof makeKeeper>;
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
    keeper = makeKeeper(),
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
    signal: keeper.halt.signal,
    ...(startSignal === undefined ? {} : { startSignal }),
    commandTimeoutMs,
    heartbeatTimeoutMs,
    listener: keeper.listener,
    log,
  });
  keeper.told.length = 0;
  return {
    session,
    driver: session.driver,
    ...keeper,
    async [Symbol.asyncDispose]() {
      await session.stop();
      await session.killNow();
    },
  };
}

/** A log that keeps its warnings. */
export function makeWarnings() {
  const warnings: string[] = [];
  const log: Log = {
    ...silentLog,
    warn: (message: string, fields?: LogFields) => void warnings.push(`${message} ${JSON.stringify(fields)}`),
  };
  return { log, warnings };
}

function toDeath({ cause, detectedBy, message }: DeathReport): Death {
  return {
    cause,
    detectedBy,
    at: new Date().toISOString(),
    detectedAfterMs: null,
    lastHeartbeatAt: null,
    evidence: { message, url: null, lastCommands: [] },
    epoch: 1,
    cancelled: { queued: 0, inFlight: 0, refused: 0 },
    consequences: [],
  };
}
