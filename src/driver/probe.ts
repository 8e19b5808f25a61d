/**
 * Is it alive? Asked out of band, so that an answer does not wait for the command that may never end: DevTools for the browser and
 * `GET /status` for our own driver. Never the page: it may be busy without anything being wrong.
 */
import type { DeathCause } from '../model/death.ts';
import { delay } from '../core/abort.ts';
import { DeadlineError, toError } from '../core/errors.ts';
import type { DevTools } from './devtools.ts';
import { readProcessState } from './process-table.ts';
import { verdictOfAnswer } from './verdicts.ts';
import type { HttpClient } from './http-client.ts';

/** How often it is looked whether this very process runs. */
const TICK_MS = 50;
/** The wall clock goes on while the machine sleeps, the monotonic one does not. */
const SLEPT_MS = 1_000;

/** A proxy that is started anew is back by then. */
const RECONNECT_MS = 1_000;
/** An endpoint that lets nothing be known for so long, with nothing in flight, is as good as gone. */
const UNKNOWN_LIMIT_MS = 60_000;

/** What a probe found: a proof of life, a dead session, or that nothing can be said. */
export type ProbeResult =
  | { readonly state: 'alive' }
  | { readonly state: 'unknown' }
  | { readonly state: 'dead'; readonly cause: DeathCause; readonly message: string };

export interface ProbeTargets {
  readonly http: HttpClient;
  readonly sessionId: string;
  /** Absent on browsers and endpoints without it. */
  readonly devtools: DevTools | undefined;
  readonly isOwnDriver: boolean;
  /** Our own driver and browser, where their state can be looked at. */
  readonly pids: readonly number[];
  /** Commands in flight: without DevTools a session with one of them can't be asked anything. */
  readonly inFlight: () => number;
  readonly limitMs: number;
}

const ALIVE: ProbeResult = { state: 'alive' };
const UNKNOWN: ProbeResult = { state: 'unknown' };
const dead = (cause: DeathCause, message: string): ProbeResult => ({ state: 'dead', cause, message });

/** Probes one session again and again, and takes an endpoint that stays silent for too long for lost. */
export class Prober {
  #unknownSince: number | undefined;

  /** Never rejects. */
  async probe(targets: ProbeTargets): Promise<ProbeResult> {
    const result = await probeSession(targets);
    if (result.state !== 'unknown') this.#unknownSince = undefined;
    else this.#unknownSince ??= performance.now();
    // With a command in flight silence is its doing, and its own deadline watches it.
    if (this.#unknownSince === undefined || targets.inFlight() > 0) return result;
    if (performance.now() - this.#unknownSince < UNKNOWN_LIMIT_MS) return result;
    return dead('network-lost', `nothing could be learnt of the session for ${UNKNOWN_LIMIT_MS / 1000} s`);
  }
}

/**
 * One probe; repeated once where the first may speak of something else than the session: this very process was held up while it waited,
 * the machine is so busy that processes which run don't get to answer, or the endpoint only drops connections for a moment.
 */
export async function probeSession(targets: ProbeTargets): Promise<ProbeResult> {
  const ownDelay = watchOwnDelay();
  const first = await probeOnce(targets);
  const { heldUpMs, sleptMs } = ownDelay.stop();
  // An answer that came while we were blocked or suspended is found only after the timer that says it is late.
  const wasHeldUp = heldUpMs > targets.limitMs / 2 || sleptMs > SLEPT_MS;
  if (first.state !== 'dead') return first;
  if (first.cause === 'network-lost') await delay(RECONNECT_MS);
  else if (!wasHeldUp && !(first.cause === 'frozen' && areRunning(targets.pids))) return first;
  return probeOnce(targets);
}

/** Whether none of these processes is stopped (proc(5): state T). False where that can't be known. */
function areRunning(pids: readonly number[]): boolean {
  if (process.platform !== 'linux' || pids.length === 0) return false;
  return pids.every((pid) => !/[TtZX]/.test(readProcessState(pid) ?? 'X'));
}

/** Measures for how long this process did not get to its events. */
function watchOwnDelay(): { readonly stop: () => { heldUpMs: number; sleptMs: number } } {
  const startedAt = { monotonic: performance.now(), wall: Date.now() };
  let lookedAt = startedAt.monotonic;
  let heldUpMs = 0;
  const look = () => {
    const now = performance.now();
    heldUpMs += Math.max(0, now - lookedAt - TICK_MS);
    lookedAt = now;
  };
  const timer = setInterval(look, TICK_MS);
  return {
    stop: () => {
      clearInterval(timer);
      look();
      return { heldUpMs, sleptMs: Date.now() - startedAt.wall - (lookedAt - startedAt.monotonic) };
    },
  };
}

async function probeOnce(targets: ProbeTargets): Promise<ProbeResult> {
  const checks: Promise<ProbeResult>[] = [];
  if (targets.isOwnDriver) checks.push(checkOwnDriver(targets));
  if (!targets.isOwnDriver || targets.devtools === undefined) checks.push(checkSession(targets));
  if (targets.devtools !== undefined) checks.push(checkBrowser(targets.devtools, targets.limitMs));
  const results = await Promise.all(checks);
  const of = (state: ProbeResult['state']) => results.find((result) => result.state === state);
  return of('dead') ?? of('alive') ?? UNKNOWN;
}

async function checkBrowser(devtools: DevTools, limitMs: number): Promise<ProbeResult> {
  try {
    await devtools.call('Browser.getVersion', {}, { limitMs });
    return ALIVE;
  } catch (thrown) {
    if (thrown instanceof DeadlineError) return dead('frozen', `the browser did not answer within ${limitMs / 1000} s`);
    // The socket is gone; what that means is found out where its closing is told.
    return UNKNOWN;
  }
}

/** It answers for a dead browser as well (measured): a death if it doesn't, no proof of life if it does. */
async function checkOwnDriver({ http, limitMs }: ProbeTargets): Promise<ProbeResult> {
  try {
    const { status } = await http.send({ method: 'GET', path: '/status', signal: AbortSignal.timeout(limitMs) });
    // A driver answers 200; anything else comes from something that stands in for it.
    return status === 200 ? UNKNOWN : dead('driver-gone', `the driver answers GET /status with ${status}`);
  } catch (thrown) {
    if (isTimeout(thrown)) return dead('frozen', `the driver did not answer within ${limitMs / 1000} s`);
    return dead('driver-gone', `the driver can't be reached: ${wordsOf(thrown)}`);
  }
}

/**
 * A session without DevTools, or on somebody else's endpoint. `/status` says nothing of a session, so the session itself is asked, unless a command is in flight
 * (they queue) or DevTools answers for it: on Grid each command would put off the idle limit that its keeper has set.
 */
async function checkSession({ http, limitMs, sessionId, inFlight, devtools }: ProbeTargets): Promise<ProbeResult> {
  const asksSession = inFlight() === 0 && devtools === undefined;
  const path = asksSession ? `/session/${sessionId}/window/handles` : '/status';
  try {
    const answer = await http.send({ method: 'GET', path, signal: AbortSignal.timeout(limitMs) });
    // Reachable, or a proxy in trouble, or a Grid that is not ready: of the session it says nothing.
    if (!asksSession) return UNKNOWN;
    if (answer.status === 200) return ALIVE;
    const { verdict, message } = verdictOfAnswer(answer.body);
    if (verdict.kind === 'dead') return dead(verdict.cause, message);
    return verdict.kind === 'harmless' ? ALIVE : UNKNOWN;
  } catch (thrown) {
    if (!isTimeout(thrown)) return dead('network-lost', `the endpoint can't be reached: ${wordsOf(thrown)}`);
    // Behind our back a command may have come in flight meanwhile; then silence is its doing, and its own deadline watches it.
    if (asksSession && inFlight() > 0) return UNKNOWN;
    const message = `the endpoint can't be reached: no answer within ${limitMs / 1000} s`;
    return dead(asksSession ? 'frozen' : 'network-lost', message);
  }
}

function isTimeout(thrown: unknown): boolean {
  return thrown instanceof DOMException && thrown.name === 'TimeoutError';
}

/** Node's error for a name with several addresses has a code and no message. */
function wordsOf(thrown: unknown): string {
  const error: NodeJS.ErrnoException = toError(thrown);
  return error.message || error.code || error.name;
}
