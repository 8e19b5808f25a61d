/** A `Date` whose clock can be set. The clocks of SQLite and the operating system do not change. */
const RealDate = Date;
let shiftMs = 0;

export function shiftClock(byMs: number): void {
  shiftMs += byMs;
}

export function resetClock(): void {
  shiftMs = 0;
}

function now(): number {
  return RealDate.now() + shiftMs;
}

export const ShiftedDate = new Proxy(RealDate, {
  construct: (target, given: unknown[], newTarget) =>
    Reflect.construct(target, given.length === 0 ? [now()] : given, newTarget) as Date,
  get: (target, name) => (name === 'now' ? now : (Reflect.get(target, name) as unknown)),
});
