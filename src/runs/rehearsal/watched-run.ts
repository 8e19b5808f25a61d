/**
 * Watches one run of a rehearsal from the outside. It wraps the action and the options of the run, notes which unit of work sends which
 * commands and saves which records, and kills sessions at the positions of the plan. A kill is complete when the death is declared. The
 * command, or the end of the step, waits until then, so the position of a kill does not depend on timing.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

import type { SessionSupervisor } from '../../supervisor/supervisor.ts';
import type {
  ActionBatchOptions,
  ActionContext,
  ItemTools,
  SaveOptions,
  SaveRecord,
  StepOptions,
  StepTools,
} from '../context.ts';
import { inOrder } from '../replay/command-guard.ts';
import type { Action } from '../define-action.ts';
import type { RunOptions } from '../run-options.ts';
import { toStepFunction } from '../steps/step-function.ts';
import { killSession } from './kill-session.ts';
import type { PlannedKill, UnitOfWork } from './plan-kills.ts';
import { describeStep } from '../steps/step-words.ts';

const OUTSIDE = 'the code outside of steps';

/** A unit of work in one run. */
export interface WatchedUnit extends UnitOfWork {
  /** True if its work has ended, and no kill has undone it. */
  readonly isDone: boolean;
  /** The last kill that ended an attempt at the unit, or that came before the attempt that counts. */
  readonly killBefore: PlannedKill | undefined;
}

type Unit = { -readonly [Key in keyof WatchedUnit]: WatchedUnit[Key] };

/** One attempt at a unit, on one session. */
interface Attempt {
  readonly unit: Unit;
  readonly supervisor: SessionSupervisor | undefined;
  readonly epoch: number;
  /** The halt of the session. */
  readonly signal: AbortSignal | undefined;
  commands: number;
}

export interface Watched {
  readonly action: Action;
  readonly options: RunOptions;
}

export class WatchedRun {
  readonly #units = new Map<string, Unit>();
  readonly #unitOfRecord = new Map<string, WatchedUnit>();
  readonly #supervisors: SessionSupervisor[] = [];
  readonly #running = new Set<Attempt>();
  /** The attempt that the current asynchronous context belongs to; undefined in the library's own code. */
  readonly #inside = new AsyncLocalStorage<Attempt | undefined>();
  readonly #planned: Set<PlannedKill>;
  readonly #kills: PlannedKill[] = [];
  /** Resolves when the death of the current kill is declared. */
  #killing: Promise<void> = Promise.resolve();

  /** Without planned kills the run is only observed. */
  constructor(planned: readonly PlannedKill[] = []) {
    this.#planned = new Set(planned);
  }

  /** The units of work in the order of their first begin. */
  get units(): readonly WatchedUnit[] {
    return [...this.#units.values()];
  }

  /** The kills that took effect, in order. */
  get kills(): readonly PlannedKill[] {
    return this.#kills;
  }

  /** The kills whose position the run did not reach. */
  get notReached(): readonly PlannedKill[] {
    return [...this.#planned];
  }

  findUnit(name: string): WatchedUnit | undefined {
    return this.#units.get(name);
  }

  /** The unit of work that saved a record last. */
  unitOfRecord(record: SaveOptions): WatchedUnit | undefined {
    return this.#unitOfRecord.get(nameOfRecord(record));
  }

  /** Returns the action and the options to run instead of `action` and `options`. */
  watch(action: Action, options: RunOptions): Watched {
    const { reloadAction, supervisor: { beforeCommand } = {} } = options;
    return {
      action: this.#watchAction(action),
      options: {
        ...options,
        ...(reloadAction && { reloadAction: async () => this.#watchAction(await reloadAction()) }),
        onSession: (supervisor) => {
          this.#supervisors.push(supervisor);
          return options.onSession?.(supervisor);
        },
        supervisor: {
          ...options.supervisor,
          beforeCommand: inOrder(() => this.#beforeCommand(), beforeCommand ?? (() => undefined)),
        },
      },
    };
  }

  #watchAction(action: Action): Action {
    return {
      ...action,
      run: (context) => {
        const attempt = this.#begin(this.#unit(OUTSIDE, 'outside'), this.#supervisorOf(context.session.id));
        return this.#inside.run(attempt, () => action.run(this.#watchContext(context, attempt)));
      },
    };
  }

  #watchContext(context: ActionContext, outside: Attempt): ActionContext {
    const main = () => this.#supervisorOf(context.session.id);
    const step = <Value>(
      key: string,
      work: (tools: StepTools) => Promise<Value> | Value,
      options?: StepOptions<Value>,
    ): Promise<Value> => {
      const around = this.#around;
      const unit = this.#unit(describeWithin(describeStep({ batch: null, key }), around), 'step');
      const watchedWork = (tools: StepTools) =>
        this.#work(this.#begin(unit, main()), () => work(override(tools, { save: this.#watchSave(unit, tools.save) })));
      return this.#call(outside, unit, () => context.step(key, watchedWork, options));
    };
    const batch = <Item, Value>(
      name: string,
      items: Iterable<Item> | AsyncIterable<Item>,
      worker: (item: Item, tools: ItemTools<Item>) => Promise<Value> | Value,
      options: ActionBatchOptions<Item>,
    ) => {
      const around = this.#around;
      const watchedWorker = async (item: Item, tools: ItemTools<Item>) => {
        const id = describeStep({ batch: name, key: options.key(item) });
        const unit = this.#unit(describeWithin(id, around), 'item');
        const isPooled = options.sessions !== undefined;
        const supervisor = isPooled ? this.#supervisorOf((await tools.driver.getSession()).getId()) : main();
        return this.#work(this.#begin(unit, supervisor), () =>
          worker(item, override(tools, { save: this.#watchSave(unit, tools.save) })),
        );
      };
      const unit = this.#unit(describeWithin(`the batch "${name}"`, around), 'batch');
      return this.#call(outside, unit, () => context.batch(name, items, watchedWorker, options));
    };
    return override(context, {
      step: toStepFunction(step, () => context.step.key),
      batch,
      save: (record, options) => {
        outside.unit.killBefore = this.#kills.at(-1);
        this.#unitOfRecord.set(nameOfRecord(options), outside.unit);
        return context.save(record, options);
      },
    });
  }

  /** Runs a step or a batch as a whole, and kills the session after it if the plan says so. */
  #call<Value>(outside: Attempt, unit: Unit, call: () => Promise<Value>): Promise<Value> {
    const result = this.#inside.run(undefined, call).then(async (value) => {
      unit.isDone = true;
      const kill = this.#findKill(unit, (afterCommands) => afterCommands === null);
      if (kill !== undefined) await this.#kill(kill, outside);
      return value;
    });
    // The run reports calls that the action does not await.
    result.catch(() => undefined);
    return result;
  }

  async #work<Value>(attempt: Attempt, work: () => Promise<Value> | Value): Promise<Value> {
    const { unit } = attempt;
    this.#running.add(attempt);
    try {
      const value = await this.#inside.run(attempt, async () => work());
      unit.commands = attempt.commands;
      unit.isDone = true;
      unit.killBefore = this.#kills.at(-1);
      const kill = this.#findKill(unit, (afterCommands) => afterCommands !== null);
      if (kill !== undefined) await this.#kill(kill, attempt);
      return value;
    } finally {
      this.#running.delete(attempt);
    }
  }

  /** Delays the command while a kill that is planned before it takes effect. The session then refuses the command. */
  #beforeCommand(): Promise<void> | undefined {
    const attempt = this.#inside.getStore();
    if (attempt === undefined) return undefined;
    const kill = this.#findKill(attempt.unit, (afterCommands) => afterCommands === attempt.commands);
    attempt.commands += 1;
    if (attempt.unit.kind === 'outside') attempt.unit.commands = Math.max(attempt.unit.commands, attempt.commands);
    // The next hooks must not see a command of a session that is already dead.
    return kill === undefined ? undefined : this.#kill(kill, attempt).then(() => attempt.signal?.throwIfAborted());
  }

  /** The step that the current code belongs to. */
  get #around(): WatchedUnit | undefined {
    const unit = this.#inside.getStore()?.unit;
    return unit?.kind === 'step' ? unit : undefined;
  }

  #findKill(unit: Unit, isMeant: (afterCommands: number | null) => boolean): PlannedKill | undefined {
    return [...this.#planned].find((kill) => kill.unit === unit.name && isMeant(kill.afterCommands));
  }

  /** Kills the session of `attempt`, one kill at a time. Resolves when the death is declared. */
  #kill(kill: PlannedKill, attempt: Attempt): Promise<void> {
    this.#killing = this.#killing.then(async () => {
      const { supervisor, epoch } = attempt;
      // Another kill may have ended the session meanwhile. The unit then begins again, and this kill is made in it.
      if (supervisor?.state !== 'alive' || supervisor.epoch !== epoch || !this.#planned.delete(kill)) return;
      const victims = [...this.#running].filter((other) => other.supervisor === supervisor && other.epoch === epoch);
      if (!(await killSession(supervisor))) return;
      this.#kills.push(kill);
      for (const victim of victims) {
        // An attempt can still end and be stored between the kill and the declared death.
        if (!this.#running.has(victim)) continue;
        victim.unit.isDone = false;
        victim.unit.killBefore = kill;
      }
    });
    return this.#killing;
  }

  #watchSave(unit: WatchedUnit, save: SaveRecord): SaveRecord {
    return (record, options) => {
      save(record, options);
      this.#unitOfRecord.set(nameOfRecord(options), unit);
    };
  }

  #begin(unit: Unit, supervisor: SessionSupervisor | undefined): Attempt {
    return { unit, supervisor, epoch: supervisor?.epoch ?? 0, signal: supervisor?.signal, commands: 0 };
  }

  #unit(name: string, kind: UnitOfWork['kind']): Unit {
    const known = this.#units.get(name);
    if (known !== undefined) return known;
    const unit: Unit = { name, kind, commands: 0, isDone: false, killBefore: undefined };
    this.#units.set(name, unit);
    return unit;
  }

  #supervisorOf(sessionId: string): SessionSupervisor | undefined {
    return this.#supervisors.find((supervisor) => supervisor.sessionId === sessionId);
  }
}

/** Adds the containing step to the name, because keys are unique only within it. */
function describeWithin(unit: string, around: WatchedUnit | undefined): string {
  return around === undefined ? unit : `${unit} within ${around.name}`;
}

function nameOfRecord({ dataset = 'records', key }: SaveOptions): string {
  return JSON.stringify([dataset, key]);
}

/** Returns an object with the properties of `changes`, and otherwise those of `target`. A getter of `target` runs only when it is read. */
function override<Target extends object>(target: Target, changes: Partial<Target>): Target {
  return new Proxy(target, {
    get: (whole, name): unknown => Reflect.get(Object.hasOwn(changes, name) ? changes : whole, name),
  });
}
