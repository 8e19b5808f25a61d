/** Chooses the positions at which the sessions of a rehearsal are killed. The same work gives the same positions. */

/** `some`: up to {@link MAX_KILLS_INSIDE} and {@link MAX_KILLS_BETWEEN} kills. `all`: each step and item is disturbed once. */
export type RehearsalScope = 'some' | 'all';

/** A unit of work of the undisturbed run. */
export interface UnitOfWork {
  /** The name of the unit, such as `the step "page 3"`; unique within the run. */
  readonly name: string;
  /** `outside` is the code of `run` that belongs to no step. */
  readonly kind: 'step' | 'item' | 'batch' | 'outside';
  /** The number of WebDriver commands of its last attempt. */
  readonly commands: number;
}

export interface PlannedKill {
  readonly unit: string;
  /** The number of commands of the unit after which the session is killed; null if it is killed after the end of the unit. */
  readonly afterCommands: number | null;
  /** The position in words, such as `in the step "page 3" after its 2nd command`. */
  readonly words: string;
}

const MAX_KILLS_INSIDE = 3;
const MAX_KILLS_BETWEEN = 2;

export function planKills(units: readonly UnitOfWork[], scope: RehearsalScope): PlannedKill[] {
  const between = units.filter(({ kind }) => kind === 'step' || kind === 'batch');
  const inside = units
    .filter(({ kind, commands }) => kind === 'step' || kind === 'item' || (kind === 'outside' && commands > 0))
    .map((unit, index) => ({ unit, kill: killInside(unit, index) }));
  const chosen = scope === 'all' ? inside : spread(inside, MAX_KILLS_INSIDE);
  const items = inside.filter(({ unit }) => unit.kind === 'item');
  if (!chosen.some(({ unit }) => unit.kind === 'item')) chosen.push(...spread(items, 1));
  return [...chosen.map(({ kill }) => kill), ...spread(between, MAX_KILLS_BETWEEN).map(killAfter)];
}

/** The positions differ from unit to unit, so that the beginning, the middle and the end of the work are all disturbed. */
function killInside({ name, kind, commands }: UnitOfWork, index: number): PlannedKill {
  if (kind === 'outside') {
    const afterCommands = Math.floor(commands / 2);
    return { unit: name, afterCommands, words: `outside of steps, before command ${afterCommands + 1} of \`run\`` };
  }
  const afterCommands = commands === 0 ? 0 : 1 + (index % commands);
  const words = commands === 0 ? `at the end of ${name}` : `in ${name} after its ${toOrdinal(afterCommands)} command`;
  return { unit: name, afterCommands, words };
}

function killAfter({ name }: UnitOfWork): PlannedKill {
  return { unit: name, afterCommands: null, words: `after ${name}` };
}

/** Returns at most `limit` elements at even distances. */
function spread<Element>(elements: readonly Element[], limit: number): Element[] {
  const length = Math.min(limit, elements.length);
  return Array.from({ length }, (_unused, index) => Math.floor(((2 * index + 1) * elements.length) / (2 * length)))
    .map((position) => elements[position])
    .filter((element) => element !== undefined);
}

function toOrdinal(number: number): string {
  const ending = /1\d$/.test(String(number)) ? 'th' : ({ 1: 'st', 2: 'nd', 3: 'rd' }[number % 10] ?? 'th');
  return `${number}${ending}`;
}
