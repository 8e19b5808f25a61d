/** Distinguishes the death of a session from an end on request: the session's signal aborts on both. */
import { settlesWithin } from '../core/abort.ts';
import { DevToolsClosedError, SessionDeathError } from '../driver/driver.ts';

/** If a DevTools connection closes because of a death, the death is declared within this time. */
const DECLARATION_LIMIT_MS = 2_000;

/** Returns the death that `signal` aborted with; undefined if the session is alive, or was ended by `quit()` or `stop()`. */
export function deathOf(signal: AbortSignal): SessionDeathError | undefined {
  const reason: unknown = signal.reason;
  return reason instanceof SessionDeathError ? reason : undefined;
}

/** One signal per session, because very many items may need it. */
const deathSignals = new WeakMap<AbortSignal, AbortSignal>();

/** Returns a signal that aborts when the session dies. An end on request does not abort it, because a step may have ended the session. */
export function deathSignalOf(session: AbortSignal): AbortSignal {
  const known = deathSignals.get(session);
  if (known !== undefined) return known;
  const dead = new AbortController();
  const onAbort = () => deathOf(session) !== undefined && dead.abort(session.reason);
  if (session.aborted) onAbort();
  else session.addEventListener('abort', onAbort, { once: true });
  deathSignals.set(session, dead.signal);
  return dead.signal;
}

/** Returns the death that caused `failure`. A dying session refuses DevTools calls shortly before its death is declared. */
export async function deathBehind(failure: unknown, session: AbortSignal): Promise<SessionDeathError | undefined> {
  if (failure instanceof DevToolsClosedError && !session.aborted) {
    const { promise, resolve } = Promise.withResolvers<void>();
    session.addEventListener('abort', () => resolve(), { once: true });
    await settlesWithin(promise, DECLARATION_LIMIT_MS);
  }
  return deathOf(session);
}
