/** A session's signal aborts on its death and on its end alike; work on it must not be told the one for the other. */
import { settlesWithin } from '../../core/abort.ts';
import { DevToolsClosedError, SessionDeathError } from '../../supervisor/supervisor.ts';

/** What the end of a DevTools connection means is known within this time. */
const EXPLAINED_WITHIN_MS = 2_000;

/** The death that `signal` aborted with; undefined while the session lives, and where it was ended by `quit()` or `stop()`. */
export function deathOf(signal: AbortSignal): SessionDeathError | undefined {
  const reason: unknown = signal.reason;
  return reason instanceof SessionDeathError ? reason : undefined;
}

/** One for each session: very many items may ask for it. */
const deathSignals = new WeakMap<AbortSignal, AbortSignal>();

/** Aborts when `session` does by death. An end that was asked for is no reason to stop: a step may well be what ended it. */
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

/** The death that `failure` comes from. A session that is just dying refuses DevTools calls a moment before its death is declared. */
export async function deathBehind(failure: unknown, session: AbortSignal): Promise<SessionDeathError | undefined> {
  if (failure instanceof DevToolsClosedError && !session.aborted) {
    const { promise, resolve } = Promise.withResolvers<void>();
    session.addEventListener('abort', () => resolve(), { once: true });
    await settlesWithin(promise, EXPLAINED_WITHIN_MS);
  }
  return deathOf(session);
}
