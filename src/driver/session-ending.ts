/** Asks a session to end: by a quit while it accepts commands, otherwise by a request that bypasses the halt. */
import { settlesWithin, succeedsWithin } from '../core/abort.ts';
import type { CommandTransport } from './command-transport.ts';
import { SessionDeathError } from './death.ts';
import type { Created } from './session-phase.ts';
import type { SessionTarget } from './session-target.ts';

/** The time limit of a quit. It takes 50 ms if no command is queued before it. */
const QUIT_LIMIT_MS = 5_000;
/** The time limit of a quit that was sent before. */
const QUIT_ANSWER_LIMIT_MS = 1_000;

export interface SessionEndingParts {
  readonly target: SessionTarget;
  /** The halt. */
  readonly signal: AbortSignal;
  readonly transport: CommandTransport;
  readonly created: () => Created | undefined;
}

export class SessionEnding {
  readonly #parts: SessionEndingParts;

  constructor(parts: SessionEndingParts) {
    this.#parts = parts;
  }

  /** Quits the session. If the quit fails at another program's endpoint, the endpoint is asked once more. Never rejects. */
  async quit(): Promise<void> {
    const { target, transport, created } = this.#parts;
    const isDue = !transport.isEnded && target.kind !== 'attached';
    if (isDue) await settlesWithin(created()?.driver.quit() ?? Promise.resolve(), QUIT_LIMIT_MS);
    await (this.endRemotely() ?? settlesWithin(transport.quit, QUIT_LIMIT_MS));
  }

  /** Asks another program's endpoint to end the session. Returns undefined for other sessions. Never rejects. */
  endRemotely(): Promise<unknown> | undefined {
    return this.#parts.target.kind === 'endpoint' ? settlesWithin(this.#endRemotely(), QUIT_LIMIT_MS) : undefined;
  }

  async #endRemotely(): Promise<void> {
    const { signal, transport, created } = this.#parts;
    // The action's own quit may still be in flight. It succeeds for a dead session, too.
    const isAnswered = transport.isEnded && (await succeedsWithin(transport.quit, QUIT_ANSWER_LIMIT_MS));
    transport.end();
    const { remoteEnd } = created() ?? {};
    if (isAnswered && !(signal.reason instanceof SessionDeathError)) await remoteEnd?.confirm();
    else await remoteEnd?.attempt();
  }
}
