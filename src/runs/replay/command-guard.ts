/**
 * Checks each command to the sessions of a run before it is sent. It refuses commands of items that have ended. On the run's own session
 * it also refuses commands of two units of work in one window, and opens the page that a replayed step had left.
 */
import {
  PageGate,
  type Api,
  type ApiCallInit,
  type CommandHook,
  type CommandInfo,
} from '../../supervisor/supervisor.ts';
import type { Ledger, LedgerEntry } from './ledger.ts';
import type { CurrentUnit } from '../steps/current-unit.ts';
import type { Divergence } from './replay.ts';
import { describeLostPage } from '../state/lost-page.ts';
import { SessionTidier } from '../sessions/session-tidier.ts';
import { ItemEndedError, WindowSharedError } from '../errors.ts';
import { describeStep, startSentence } from '../steps/step-words.ts';

/** The part of {@link Steps} that the guard uses. */
export interface GuardedSteps {
  /** The step or item that the current code belongs to. */
  readonly current: LedgerEntry | undefined;
  readonly unit: Pick<CurrentUnit, 'isOutside'>;
  /** The item that the current code belongs to, if it has ended and its session is free for other items. */
  readonly ended: LedgerEntry | undefined;
  readonly isOpen: (entry: LedgerEntry) => boolean;
}

/** Commands that don't change the page, such as those of a timer that takes screenshots. */
const PAGE_PRESERVING = /^GET |^POST \/(timeouts|execute\/\w+|(element\/\{id\}\/|shadow\/\{id\}\/)?elements?)$/;

export class CommandGuard {
  readonly gate: PageGate;
  /** The tidier of the run's own session. */
  readonly tidier = new SessionTidier();
  /** The steps of every entry of `run`, newest first, because code of an earlier entry may still run. */
  readonly #entries: GuardedSteps[] = [];
  /** The step or item that sent the last command. */
  #user: LedgerEntry | undefined;
  /** The number of commands so far. */
  #clock = 0;
  readonly #lastCommandAt = new WeakMap<LedgerEntry, number>();
  readonly #askedAt = new WeakMap<LedgerEntry, number>();
  #refusedOutside: WindowSharedError | undefined;
  readonly #refused = new Map<LedgerEntry, WindowSharedError>();
  readonly #ledger: Ledger;

  constructor(ledger: Ledger, divergence: Divergence) {
    this.#ledger = ledger;
    const sender = () => {
      const current = this.#entries[0]?.current;
      return current === undefined ? 'The code between the steps' : startSentence(describeStep(current.id));
    };
    this.gate = new PageGate({ refuse: (refusal) => divergence.note(describeLostPage(sender(), refusal)) });
  }

  /** Notes that `run` is entered: its steps send the following commands. */
  enter(steps: GuardedSteps): void {
    this.#entries.unshift(steps);
    this.#user = undefined;
    this.#refused.clear();
    this.#refusedOutside = undefined;
  }

  /** The refusal of a command of the code outside of steps, if there was one. */
  get refusedOutside(): WindowSharedError | undefined {
    return this.#refusedOutside;
  }

  /** Returns the hook of the run's own session. The `user`'s hook does not see the run's own commands. */
  before(user: CommandHook | undefined): CommandHook {
    const isOwn = ({ label }: CommandInfo) => this.gate.isOpening && label === 'POST /url';
    return inOrder((command) => (isOwn(command) ? undefined : hideTidying(this.tidier, user)(command)), this.#before);
  }

  readonly #before: CommandHook = (command) => {
    if (this.tidier.isListing(command)) return undefined;
    this.#throwIfEnded();
    if (this.tidier.isTidying) return undefined;
    const steps = this.#entries[0];
    if (steps?.current !== undefined) this.#claimWindow(steps.current);
    else if (steps?.unit.isOutside === true && !PAGE_PRESERVING.test(command.label)) this.#claimWindowOutside();
    const held = this.tidier.before(command);
    if (held === undefined) return this.gate.before(command);
    return held.then(() => {
      this.#throwIfEnded();
      return this.gate.before(command);
    });
  };

  /** Returns the hook of the sessions of a slot of the pool. */
  beforeOnSlot(tidier: SessionTidier, user: CommandHook | undefined): CommandHook {
    return inOrder(hideTidying(tidier, user), (command) => {
      // The list is needed for the session, also if the item that caused the command has ended meanwhile.
      if (tidier.isListing(command)) return undefined;
      this.#throwIfEnded();
      return tidier.before(command)?.then(() => this.#throwIfEnded());
    });
  }

  /** Notes that an attempt at `entry` begins: refusals of earlier attempts don't count for it. */
  beginAttempt(entry: LedgerEntry): void {
    this.#refused.delete(entry);
  }

  /** Notes that `run` asks for `entry`: the containing code continues when `entry` has ended. */
  noteAsked(entry: LedgerEntry): void {
    this.#askedAt.set(entry, this.#clock);
  }

  /** Frees the window for other work while `entry` waits for its next attempt. */
  endAttempt(entry: LedgerEntry): void {
    if (this.#user === entry) this.#user = undefined;
  }

  /** Throws the refusal of a command of `entry`, so that the step or item fails also if its code caught the refusal. */
  throwIfRefused(entry: LedgerEntry): void {
    const error = this.#refused.get(entry);
    if (error !== undefined) throw error;
  }

  #throwIfEnded(): void {
    for (const { ended } of this.#entries) if (ended !== undefined) throw new ItemEndedError(ended);
  }

  #claimWindow(sender: LedgerEntry): void {
    const user = this.#findSharer(sender);
    if (user !== undefined) {
      const error = new WindowSharedError(sender, user);
      this.#refused.set(sender, error);
      throw error;
    }
    this.#user = sender;
    this.#clock += 1;
    this.#lastCommandAt.set(sender, this.#clock);
  }

  /** Throws if a step is open that has used the window: an awaited step ends before the code around it continues. */
  #claimWindowOutside(): void {
    const user = this.#user;
    if (user === undefined || this.#entries[0]?.isOpen(user) !== true) return;
    this.#refusedOutside = new WindowSharedError(undefined, user);
    throw this.#refusedOutside;
  }

  /**
   * Returns the open work that uses the window beside `sender`. A step and its parts take turns: the step sends no command while a part is
   * open that has sent one, and a part sends none after the step has continued without it.
   */
  #findSharer(sender: LedgerEntry): LedgerEntry | undefined {
    const user = this.#user;
    if (user === undefined || user === sender || this.#entries[0]?.isOpen(user) !== true) return undefined;
    if (!this.#ledger.isWithin(sender, user)) return user;
    const hasContinued = (this.#lastCommandAt.get(user) ?? 0) > (this.#askedAt.get(sender) ?? 0);
    return hasContinued ? user : undefined;
  }
}

function hideTidying(tidier: SessionTidier, user: CommandHook | undefined): CommandHook {
  return (command) => (tidier.isListing(command) || tidier.isTidying ? undefined : user?.(command));
}

/** Returns a hook that calls `second` after `first` has let the command pass. */
export function inOrder(first: CommandHook | undefined, second: CommandHook): CommandHook {
  if (first === undefined) return second;
  return (command) => {
    const held = first(command);
    return held === undefined ? second(command) : held.then(() => second(command));
  };
}

/** The methods whose requests have no further effect when they are sent again (RFC 9110, section 9.2.2). */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** Returns an `api` that awaits `onEffect` before each request that is not idempotent. */
export function watchEffects(api: Api, onEffect: () => Promise<void>): Api {
  const before = async (init: RequestInit | undefined) => {
    if (!IDEMPOTENT.has(init?.method?.toUpperCase() ?? 'GET')) await onEffect();
  };
  return {
    fetch: async (pathOrUrl, init) => {
      await before(init);
      return api.fetch(pathOrUrl, init);
    },
    json: async <Value>(pathOrUrl: string | URL, init?: ApiCallInit) => {
      await before(init);
      return api.json<Value>(pathOrUrl, init);
    },
  };
}
