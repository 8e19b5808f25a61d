import { setImmediate as nextTurn } from 'node:timers/promises';

import { expect } from 'chai';
import * as fc from 'fast-check';

import { TurnLimit } from '../../src/supervisor/turn-limit.ts';
import { rejectionOf } from './support.ts';

/** Notes in which turn of the event loop each work begins. */
class Turns {
  readonly begun: { readonly id: number; readonly turn: number }[] = [];
  #turn = 0;

  note(id: number): void {
    this.begun.push({ id, turn: this.#turn });
  }

  /** The numbers of works that began in each turn. */
  get counts(): number[] {
    return [...Map.groupBy(this.begun, ({ turn }) => turn).values()].map((works) => works.length);
  }

  /** Resolves when `isOver` returns true. Looks once in each turn. */
  async until(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await nextTurn();
      this.#turn += 1;
    }
  }
}

describe('TurnLimit', () => {
  it('begins at once while a place is free', async () => {
    const limit = new TurnLimit(2);
    const begun: string[] = [];
    const works = ['a', 'b', 'c'].map((name) => limit.run(async () => void begun.push(name)));
    expect(begun).to.deep.equal(['a', 'b']);
    await Promise.all(works);
    expect(begun).to.deep.equal(['a', 'b', 'c']);
  });

  it('begins at most its number of works in a turn, each once, in the order of the calls, and settles as they do', async () => {
    const works = fc.array(fc.constantFrom('resolves', 'rejects', 'throws', 'never settles'), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), works, async (perTurn, kinds) => {
        const turns = new Turns();
        const limit = new TurnLimit(perTurn);
        // The first look at the turns precedes the end of the first places.
        const watched = turns.until(() => turns.begun.length === kinds.length);
        const outcomes = kinds.map(async (kind, id) => {
          const work = () => {
            turns.note(id);
            if (kind === 'throws') throw new Error(`work ${id}`);
            if (kind === 'rejects') return Promise.reject(new Error(`work ${id}`));
            return kind === 'resolves' ? Promise.resolve(id) : new Promise<never>(() => undefined);
          };
          const outcome = limit.run(work).catch((error: Error) => error.message);
          if (kind !== 'never settles') expect(await outcome).to.equal(kind === 'resolves' ? id : `work ${id}`);
        });
        await watched;
        await Promise.all(outcomes.filter((_, id) => kinds[id] !== 'never settles'));
        expect(turns.begun.map(({ id }) => id)).to.deep.equal(kinds.map((_, id) => id));
        expect(Math.max(0, ...turns.counts)).to.be.at.most(perTurn);
      }),
      { numRuns: 50 },
    );
  });

  it('never begins a work whose signal aborted while it waited, and begins the next one instead', async () => {
    const limit = new TurnLimit(1);
    const begun: string[] = [];
    const stop = new AbortController();
    const run = (name: string, signal?: AbortSignal) =>
      limit.run(async () => void begun.push(name), signal && { signal });
    const first = run('first');
    const stopped = rejectionOf(run('stopped', stop.signal));
    const last = run('last');
    const reason = new Error('stopped by the user');
    stop.abort(reason);
    expect(await stopped).to.equal(reason);
    await Promise.all([first, last]);
    expect(begun).to.deep.equal(['first', 'last']);
  });
});
