/**
 * Checks whether a session is alive. The questions are asked out of band, so that an answer does not wait for a command that may never end:
 * DevTools or BiDi for the browser, and `GET /status` for this program's own driver. The page is never asked, because it may be busy without being
 * broken.
 */
import type { DeathCause } from '../model/death.ts';
import { delay } from '../core/abort.ts';
import { DeadlineError, toError } from '../core/errors.ts';
import type { BrowserSocket } from './browser-socket.ts';
import { watchActivity, type Activity } from './process-activity.ts';
import { readProcessState } from './process-table.ts';
import { verdictOfAnswer } from './verdicts.ts';
import type { HttpClient } from './http-client.ts';

/** The interval at which this process checks whether it was delayed itself. */
const TICK_MS = 50;
/**
 * A difference of the clocks above this limit means that the machine slept: the wall clock continues during sleep, the monotonic clock does
 * not.
 */
const SLEEP_THRESHOLD_MS = 1_000;

/**
 * The time limit of an urgent probe. It declares a death only if the processes are stopped or asleep; a slow session gets the usual limit.
 * Measured with `npm run chaos -- --pressure` on 2 CPUs with a load of 30 to 60: 25 000 answers of browsers with a higher priority than the
 * other programs took at most 0.6 s. Of 5 000 answers of browsers with the same priority, 35 took longer than 1.5 s, 10 longer than 3 s,
 * and the slowest took 6 s. Of 376 browsers that did not answer within 0.5 s, all were running, and none was asleep.
 */
const URGENT_LIMIT_MS = 1_500;
/** A user who sets a longer time limit than this one, which is the default, gets no earlier death. */
const MAX_SHORTENED_LIMIT_MS = 3_000;

/**
 * The maximum number of probes in a row of a session that does not answer while its processes run: 30 s by default, which is more than
 * three times the slowest answer on an extremely busy machine (8.6 s, measured). A browser in a loop is frozen.
 */
const MAX_SLOW_PROBES = 10;

/** The pause before a lost connection is tried again. A proxy that restarts is ready after it. */
const RECONNECT_DELAY_MS = 1_000;
/** If nothing is known about a session for this long while no command is in flight, its endpoint counts as lost. */
const UNKNOWN_LIMIT_MS = 60_000;

/** The names of Chrome, Chromium and Edge in capabilities. chromedriver and msedgedriver are one program. */
const CHROMIUM_NAME = /chrom|edge/i;
/** The path of a command that does not exist. */
const UNKNOWN_COMMAND = 'webdriver-supervisor/probe';

/** The result of a probe: a proof of life, a dead session, or unknown. */
export type ProbeResult =
  | { readonly state: 'alive' }
  | { readonly state: 'unknown' }
  | { readonly state: 'dead'; readonly cause: DeathCause; readonly message: string };

export interface ProbeTargets {
  readonly http: HttpClient;
  readonly sessionId: string;
  /** DevTools, or the BiDi socket of Firefox. Undefined if the browser or the endpoint offers neither. */
  readonly socket: BrowserSocket | undefined;
  readonly isOwnDriver: boolean;
  /** The processes of this program's own driver and browser, if their state can be read. */
  readonly pids: readonly number[];
  /** Returns the number of commands in flight. Without a socket, a session can't be probed while there are any. */
  readonly inFlight: () => number;
  readonly browserName: string;
  readonly limitMs: number;
  /** True if work waits for the session. A session of this program's own driver then gets a shorter time limit if it is not running. */
  readonly isUrgent: boolean;
}

const ALIVE: ProbeResult = { state: 'alive' };
const UNKNOWN: ProbeResult = { state: 'unknown' };
const dead = (cause: DeathCause, message: string): ProbeResult => ({ state: 'dead', cause, message });

/** Probes one session repeatedly. Declares its endpoint lost if nothing is known for too long. */
export class Prober {
  #unknownSince: number | undefined;

  /** Probes the session. Never rejects. */
  async probe(targets: ProbeTargets): Promise<ProbeResult> {
    const result = await probeSession(targets);
    if (result.state !== 'unknown') this.#unknownSince = undefined;
    else this.#unknownSince ??= performance.now();
    // While a command is in flight, silence may be its effect, and its own deadline watches it.
    if (this.#unknownSince === undefined || targets.inFlight() > 0) return result;
    if (performance.now() - this.#unknownSince < UNKNOWN_LIMIT_MS) return result;
    return dead('network-lost', `the session's state was unknown for ${UNKNOWN_LIMIT_MS / 1000} s`);
  }
}

/** Probes a session, with a shorter time limit first if that is urgent. */
export async function probeSession(targets: ProbeTargets): Promise<ProbeResult> {
  const { isUrgent, isOwnDriver, limitMs } = targets;
  if (!isUrgent || !isOwnDriver || limitMs > MAX_SHORTENED_LIMIT_MS) return probePatiently(targets);
  const { result, ...doubts } = await probeWatched({ ...targets, limitMs: Math.min(limitMs, URGENT_LIMIT_MS) });
  const isSure = !doubts.wasHeldUp && (doubts.activity === 'stopped' || doubts.activity === 'asleep');
  return isFrozen(result) && !isSure ? probePatiently(targets) : result;
}

/**
 * Probes a session until it answers or until a missing answer has no other cause than the session. Other causes are: this process was
 * delayed while it waited, the processes run but do not get to answer on a busy machine, or the endpoint drops connections for a moment.
 */
async function probePatiently(targets: ProbeTargets): Promise<ProbeResult> {
  for (let attempt = 1; ; attempt += 1) {
    const { result, wasHeldUp, activity } = await probeWatched(targets);
    if (result.state !== 'dead' || attempt === MAX_SLOW_PROBES) return result;
    const mayRun = !targets.isOwnDriver || areRunning(targets.pids);
    const isSlow = isFrozen(result) && (activity === 'running' || (attempt === 1 && mayRun));
    if (result.cause === 'network-lost' && attempt === 1) await delay(RECONNECT_DELAY_MS);
    else if (!wasHeldUp && !isSlow) return result;
  }
}

function isFrozen(result: ProbeResult): boolean {
  return result.state === 'dead' && result.cause === 'frozen';
}

interface WatchedProbe {
  readonly result: ProbeResult;
  /** True if this process was blocked or suspended, so that an answer that came in time may be read only after the timer has fired. */
  readonly wasHeldUp: boolean;
  readonly activity: Activity;
}

/** Probes once, and finds out what could have caused a missing answer. */
async function probeWatched(targets: ProbeTargets): Promise<WatchedProbe> {
  const { limitMs, isOwnDriver, pids } = targets;
  const ownDelay = watchOwnDelay();
  const processes = watchActivity(isOwnDriver ? pids : [], limitMs / 3);
  const result = await probeOnce(targets);
  const { heldUpMs, sleptMs } = ownDelay.stop();
  return {
    result,
    wasHeldUp: heldUpMs > limitMs / 2 || sleptMs > SLEEP_THRESHOLD_MS,
    activity: isFrozen(result) ? processes.stop() : processes.cancel(),
  };
}

/** Returns whether none of these processes is stopped (proc(5): state T); false if that is unknown. */
function areRunning(pids: readonly number[]): boolean {
  if (process.platform !== 'linux' || pids.length === 0) return false;
  return pids.every((pid) => !/[TtZX]/.test(readProcessState(pid) ?? 'X'));
}

/** Measures how long this process could not handle its events. */
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
  const { socket, isOwnDriver, limitMs, inFlight } = targets;
  const checks = [isOwnDriver ? checkOwnDriver(targets) : checkRemoteDriver(targets)];
  if (socket !== undefined)
    checks.push(isOwnDriver ? checkBrowser(socket, limitMs) : checkRemoteBrowser(socket, targets));
  // A frozen browser blocks its driver for all later requests, also for the one that ends the session, so it is asked in no other way.
  else if (inFlight() === 0) checks.push(checkSession(targets));
  const results = await Promise.all(checks);
  const of = (state: ProbeResult['state']) => results.find((result) => result.state === state);
  return of('dead') ?? of('alive') ?? UNKNOWN;
}

/**
 * Checks the browser of an endpoint. A Grid never closes the sockets of its clients (measured on 4.35 and 4.47), so another connection tells
 * whether a silent browser is frozen, or gone, or only its socket is lost. The session of a browser that is gone answers at once.
 */
async function checkRemoteBrowser(socket: BrowserSocket, targets: ProbeTargets): Promise<ProbeResult> {
  const limitMs = targets.limitMs / 2;
  const result = await checkBrowser(socket, limitMs);
  if (!isFrozen(result)) return result;
  const connection = await socket.tryConnection(limitMs);
  if (connection === 'accepted') return ALIVE;
  const silence = dead('frozen', `the browser did not answer within ${targets.limitMs / 1000} s`);
  if (connection === 'silent') return silence;
  if (targets.inFlight() > 0) return dead('browser-gone', 'the browser refuses connections');
  const answer = await checkSession(targets);
  return answer.state === 'unknown' ? silence : answer;
}

async function checkBrowser(socket: BrowserSocket, limitMs: number): Promise<ProbeResult> {
  try {
    await socket.prove(limitMs);
    return ALIVE;
  } catch (thrown) {
    if (thrown instanceof DeadlineError) return dead('frozen', `the browser did not answer within ${limitMs / 1000} s`);
    // The socket is gone. The handler of its close event finds out the reason.
    return UNKNOWN;
  }
}

/**
 * Checks the driver. It answers for a dead browser as well (measured), so a missing answer is a death, but an answer does not prove that
 * the browser is alive.
 */
async function checkOwnDriver(targets: ProbeTargets): Promise<ProbeResult> {
  const { http, limitMs } = targets;
  try {
    const { status } = await http.send({ method: 'GET', path: '/status', signal: AbortSignal.timeout(limitMs) });
    // A driver answers 200. Another status comes from a program between this one and the driver.
    return status === 200 ? UNKNOWN : dead('driver-gone', `the driver answers GET /status with ${status}`);
  } catch (thrown) {
    if (isTimeout(thrown)) {
      if (mayBeBusy(targets)) return UNKNOWN;
      return dead('frozen', `the driver did not answer within ${limitMs / 1000} s`);
    }
    return dead('driver-gone', `the driver can't be reached: ${wordsOf(thrown)}`);
  }
}

/** Returns whether the driver may be silent because of a command: geckodriver answers nothing meanwhile, unless its processes are stopped. */
function mayBeBusy({ browserName, inFlight, pids }: ProbeTargets): boolean {
  if (CHROMIUM_NAME.test(browserName) || inFlight() === 0) return false;
  return !pids.some((pid) => /[TtZX]/.test(readProcessState(pid) ?? 'X'));
}

/** Asks a session for its windows, which reaches the browser and is safe with alerts. */
async function checkSession({ http, limitMs, sessionId, inFlight }: ProbeTargets): Promise<ProbeResult> {
  const path = `/session/${sessionId}/window/handles`;
  try {
    const answer = await http.send({ method: 'GET', path, signal: AbortSignal.timeout(limitMs) });
    if (answer.status === 200) return ALIVE;
    const { verdict, message } = verdictOfAnswer(answer.body);
    if (verdict.kind === 'harmless') return ALIVE;
    // Other answers are a proxy's problem, or a Grid's that is not ready. They say nothing about the session.
    return verdict.cause === undefined ? UNKNOWN : dead(verdict.cause, message);
  } catch (thrown) {
    if (!isTimeout(thrown)) return unreachable(wordsOf(thrown));
    // A command may have started during the probe. Then silence may be its effect, and its own deadline watches it.
    if (inFlight() > 0) return UNKNOWN;
    return dead('frozen', `the session did not answer within ${limitMs / 1000} s`);
  }
}

/**
 * Checks the driver behind an endpoint by a request for the session that no remote end knows. chromedriver answers it at once, and a Grid
 * answers for a session that is gone, while all other requests wait behind the command in flight (measured on chromedriver 156, Grid 4.47).
 * geckodriver answers nothing while it handles a command.
 */
async function checkRemoteDriver(targets: ProbeTargets): Promise<ProbeResult> {
  const { http, limitMs, sessionId, browserName, inFlight } = targets;
  const answersAlways = CHROMIUM_NAME.test(browserName) || inFlight() === 0;
  const path = answersAlways ? `/session/${sessionId}/${UNKNOWN_COMMAND}` : '/status';
  try {
    const answer = await http.send({ method: 'GET', path, signal: AbortSignal.timeout(limitMs) });
    const { verdict, message } = verdictOfAnswer(answer.body);
    // The answer proves that the driver works, but nothing about the browser.
    return verdict.kind === 'harmless' || verdict.cause === undefined ? UNKNOWN : dead(verdict.cause, message);
  } catch (thrown) {
    if (!isTimeout(thrown)) return unreachable(wordsOf(thrown));
    if (!answersAlways) return unreachable(`no answer within ${limitMs / 1000} s`);
    // A command may have started during the probe. Then its driver may answer only after it.
    if (!CHROMIUM_NAME.test(browserName) && inFlight() > 0) return UNKNOWN;
    return dead('frozen', `the driver did not answer within ${limitMs / 1000} s`);
  }
}

function unreachable(reason: string): ProbeResult {
  return dead('network-lost', `the endpoint can't be reached: ${reason}`);
}

function isTimeout(thrown: unknown): boolean {
  return thrown instanceof DOMException && thrown.name === 'TimeoutError';
}

/** Node's error for a name with several addresses has a code but no message. */
function wordsOf(thrown: unknown): string {
  const error: NodeJS.ErrnoException = toError(thrown);
  return error.message || error.code || error.name;
}
