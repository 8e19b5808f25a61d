/**
 * Sees each command to the run's own session before it is sent: refuses those of two batch items that would mix in one window, and has the
 * page opened that a replayed step had left.
 */
import { SupervisorError } from '../core/errors.ts';
import { PageGate, type Api, type CommandHook } from '../supervisor/supervisor.ts';
import { describeStep, startSentence, type LedgerEntry } from './ledger.ts';
import type { Divergence } from './replay.ts';
import { describeLostPage } from './state/lost-page.ts';

/** A batch item sent a command to a window that another item was using. */
export class WindowSharedError extends SupervisorError {
  readonly code = 'window-shared';
  readonly consequence = 'fail-step';

  constructor(item: LedgerEntry, user: LedgerEntry) {
    super(
      `${startSentence(describeStep(item.id))} sent a command to the window that ${describeStep(user.id)} was using. Workers that share a ` +
        'window change the page under each other. Give each worker a session of its own (`sessions: 5`, and use the `driver` that the ' +
        'worker is given), or let one item run at a time (`concurrency: 1`).',
      { data: { item: item.id, user: user.id } },
    );
  }
}

/** What the guard asks the steps of the current entry of `run`. */
export interface GuardedSteps {
  /** The step or item that the current code belongs to. */
  readonly current: LedgerEntry | undefined;
  readonly isOpen: (entry: LedgerEntry) => boolean;
}

export class CommandGuard {
  readonly gate: PageGate;
  #steps: GuardedSteps | undefined;
  /** The item that sent a command last. */
  #user: LedgerEntry | undefined;
  readonly #refused = new Map<LedgerEntry, WindowSharedError>();

  constructor(divergence: Divergence) {
    const sender = () => {
      const current = this.#steps?.current;
      return current === undefined ? 'The code between the steps' : startSentence(describeStep(current.id));
    };
    this.gate = new PageGate({ refuse: (refusal) => divergence.note(describeLostPage(sender(), refusal)) });
  }

  /** `run` is entered: its steps send the commands that follow. */
  enter(steps: GuardedSteps): void {
    this.#steps = steps;
    this.#user = undefined;
    this.#refused.clear();
  }

  /** See `SupervisorOptions.beforeCommand`. */
  readonly before: CommandHook = (command) => {
    const current = this.#steps?.current;
    if (current !== undefined && current.id.batch !== null) this.#claimWindow(current);
    return this.gate.before(command);
  };

  /** An item that was refused a command fails, also if its worker caught the refusal. */
  throwIfRefused(entry: LedgerEntry): void {
    const error = this.#refused.get(entry);
    if (error !== undefined) throw error;
  }

  #claimWindow(item: LedgerEntry): void {
    const user = this.#user;
    if (user !== undefined && user !== item && this.#steps?.isOpen(user)) {
      const error = new WindowSharedError(item, user);
      this.#refused.set(item, error);
      throw error;
    }
    this.#user = item;
  }
}

/** One hook that calls `second` when `first` has let the command pass. */
export function inOrder(first: CommandHook | undefined, second: CommandHook): CommandHook {
  if (first === undefined) return second;
  return (command) => {
    const held = first(command);
    return held === undefined ? second(command) : held.then(() => second(command));
  };
}

/** RFC 9110, section 9.2.2: sending such a request again has no further effect. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** `api` with `onEffect` awaited before each request that is not idempotent. */
export function watchEffects(api: Api, onEffect: () => Promise<void>): Api {
  const before = async (init: RequestInit | undefined) => {
    if (!IDEMPOTENT.has(init?.method?.toUpperCase() ?? 'GET')) await onEffect();
  };
  return {
    fetch: async (pathOrUrl, init) => {
      await before(init);
      return api.fetch(pathOrUrl, init);
    },
    json: async <Value>(pathOrUrl: string | URL, init?: RequestInit) => {
      await before(init);
      return api.json<Value>(pathOrUrl, init);
    },
  };
}
