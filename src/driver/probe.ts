/**
 * Is it alive? Asked out of band, so that an answer does not wait for the command that may never end: DevTools for the browser and
 * `GET /status` for our own driver. Never the page: it may be busy without anything being wrong.
 */
import { DeadlineError, toError } from '../core/errors.ts';
import type { DeathCause } from './death.ts';
import type { DevTools } from './devtools.ts';
import { verdictOfAnswer } from './verdicts.ts';
import type { HttpClient } from './http-client.ts';

/** A timer that fires so much too late tells of our own process (blocked, suspended), not of the browser. */
const OWN_DELAY_MS = 1_000;

/** What a probe found: nothing wrong, a dead session, or that nothing can be said while a command is in flight. */
export type ProbeResult =
  { readonly alive: true } | { readonly alive: false; readonly cause: DeathCause; readonly message: string };

export interface ProbeTargets {
  readonly http: HttpClient;
  readonly sessionId: string;
  /** Absent on browsers and endpoints without it. */
  readonly devtools: DevTools | undefined;
  readonly isOwnDriver: boolean;
  /** Commands in flight: without DevTools a session with one of them can't be asked anything. */
  readonly inFlight: () => number;
  readonly limitMs: number;
}

const ALIVE: ProbeResult = { alive: true };

/** One probe; repeated once where this very process was held up while it waited. Never rejects. */
export async function probeSession(targets: ProbeTargets): Promise<ProbeResult> {
  const startedAt = { monotonic: performance.now(), wall: Date.now() };
  const first = await probeOnce(targets);
  if (first.alive || !wasHeldUp(startedAt, targets.limitMs)) return first;
  return probeOnce(targets);
}

function wasHeldUp(startedAt: { monotonic: number; wall: number }, limitMs: number): boolean {
  const elapsed = performance.now() - startedAt.monotonic;
  const slept = Date.now() - startedAt.wall - elapsed;
  return elapsed > limitMs + OWN_DELAY_MS || slept > OWN_DELAY_MS;
}

async function probeOnce(targets: ProbeTargets): Promise<ProbeResult> {
  const checks = [targets.isOwnDriver ? checkOwnDriver(targets) : checkEndpoint(targets)];
  if (targets.devtools !== undefined) checks.push(checkBrowser(targets.devtools, targets.limitMs));
  const results = await Promise.all(checks);
  return results.find(({ alive }) => !alive) ?? ALIVE;
}

async function checkBrowser(devtools: DevTools, limitMs: number): Promise<ProbeResult> {
  try {
    await devtools.call('Browser.getVersion', {}, { limitMs });
    return ALIVE;
  } catch (thrown) {
    if (thrown instanceof DeadlineError) {
      return { alive: false, cause: 'frozen', message: `the browser did not answer within ${limitMs / 1000} s` };
    }
    // The socket is gone; what that means is found out where its closing is told.
    return ALIVE;
  }
}

async function checkOwnDriver({ http, limitMs }: ProbeTargets): Promise<ProbeResult> {
  try {
    await http.send({ method: 'GET', path: '/status', signal: AbortSignal.timeout(limitMs) });
    return ALIVE;
  } catch (thrown) {
    if (isTimeout(thrown))
      return { alive: false, cause: 'frozen', message: `the driver did not answer within ${limitMs / 1000} s` };
    return { alive: false, cause: 'driver-gone', message: `the driver can't be reached: ${toError(thrown).message}` };
  }
}

/**
 * Somebody else's endpoint. Its `/status` says nothing of a session, so the session itself is asked, unless a command is in flight
 * (they queue) or DevTools answers for it: on Grid each command would put off the idle limit that its keeper has set.
 */
async function checkEndpoint({ http, limitMs, sessionId, inFlight, devtools }: ProbeTargets): Promise<ProbeResult> {
  const path = inFlight() > 0 || devtools !== undefined ? '/status' : `/session/${sessionId}/window/handles`;
  try {
    const answer = await http.send({ method: 'GET', path, signal: AbortSignal.timeout(limitMs) });
    if (answer.status === 200 || path === '/status') return ALIVE;
    const { verdict, message } = verdictOfAnswer(answer.body);
    return verdict.kind === 'dead' ? { alive: false, cause: verdict.cause, message } : ALIVE;
  } catch (thrown) {
    // Behind our back a command may have come in flight meanwhile; then silence is its doing, and its own deadline watches it.
    if (isTimeout(thrown) && inFlight() > 0 && path !== '/status') return ALIVE;
    const cause = isTimeout(thrown) && path !== '/status' ? 'frozen' : 'network-lost';
    const what = isTimeout(thrown) ? `no answer within ${limitMs / 1000} s` : toError(thrown).message;
    return { alive: false, cause, message: `the endpoint can't be reached: ${what}` };
  }
}

function isTimeout(thrown: unknown): boolean {
  return thrown instanceof DOMException && thrown.name === 'TimeoutError';
}
