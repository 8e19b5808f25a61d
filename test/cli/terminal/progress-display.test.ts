import type { WriteStream } from 'node:tty';

import { expect } from 'chai';
import { assert, integer, nat, property, string } from 'fast-check';
import { useFakeTimers, type SinonFakeTimers } from 'sinon';

import { widthOf } from '../../../src/cli/terminal/text-width.ts';
import type { RunProgress } from '../../../src/runs/runs.ts';
import { describeProgress, RateMeter, renderProgress } from '../../../src/cli/terminal/progress-line.ts';
import { openProgress } from '../../../src/cli/terminal/progress-display.ts';

function makeProgress(change: Partial<RunProgress> = {}): RunProgress {
  const counts = { total: 525, queued: 385, running: 20, done: 120, failed: 0, cancelled: 0, skipped: 0 };
  const deaths = [{} as RunProgress['deaths'][number]];
  const shown = change.counts ?? counts;
  const units = { done: shown.done + shown.failed + shown.skipped, total: shown.total };
  return { counts, units, display: null, records: 96, sessions: 2, deaths, state: 'running', queue: null, ...change };
}

/** The part of a terminal that the bar uses. When it becomes narrower, it wraps long lines, as most terminals do. */
class Screen {
  columns: number;
  readonly isTTY = true;
  rows: string[] = [''];
  readonly listeners = new Set<() => void>();

  constructor(columns: number) {
    this.columns = columns;
  }

  readonly write = (text: string): boolean => {
    for (const part of text.match(/\p{Cc}\[\d*[A-Z]|[\s\S]/gu) ?? []) this.#put(part);
    return true;
  };

  on(_event: string, listener: () => void): void {
    this.listeners.add(listener);
  }

  off(_event: string, listener: () => void): void {
    this.listeners.delete(listener);
  }

  resize(columns: number): void {
    this.columns = columns;
    this.rows = this.rows.flatMap((row) => row.match(new RegExp(`[\\s\\S]{1,${columns}}`, 'gu')) ?? ['']);
    for (const listener of this.listeners) listener();
  }

  get text(): string {
    return this.rows.join('\n');
  }

  /** Writes a text. The cursor is always in the last row: at its end, or at its beginning before it is cleared. */
  #put(part: string): void {
    const up = /^\p{Cc}\[(\d+)A$/u.exec(part)?.[1];
    if (up !== undefined) this.rows.length -= Number(up);
    else if (part === '\n') this.rows.push('');
    else if (part === '\u001b[J') this.rows[this.rows.length - 1] = '';
    else if (part !== '\r') this.rows[this.rows.length - 1] += part;
  }
}

describe('the progress in words', () => {
  it('says that a session waits in the queue of a Grid', () => {
    const queue = { queued: 3, slots: 4, sessions: 4 };
    const progress = makeProgress({
      queue,
      state: 'starting',
      counts: { ...makeProgress().counts, total: 0, done: 0 },
    });
    const words = 'waiting for a free slot (3 requests in the queue)';
    expect(describeProgress(progress)).to.contain(`starting: ${words}`);
    expect(renderProgress(progress, { columns: 100, rate: undefined })).to.match(
      /^waiting for a free slot \(3 requests/,
    );
  });

  it('has the finished steps, the records and the deaths', () => {
    expect(describeProgress(makeProgress())).to.equal('running: 120 done, 96 records, session 2 after 1 death');
  });

  it('shows the progress that the action reported instead of its counted steps', () => {
    const display = { done: 3, total: 25, label: 'pages\u001b[2J' };
    expect(describeProgress(makeProgress({ display }))).to.match(/^running: 3\/25 done \(pages \[2J\), 96 records/);
  });

  it('shows as much as fits: in 40 columns the count, the records and a short bar', () => {
    const progress = makeProgress({ display: { done: 120, total: 525 } });
    expect(renderProgress(progress, { columns: 100, rate: 18.4 })).to.equal(
      '██████░░░░░░░░░░░░░░░░░░░░░░░░  22% 120/525 · 96 records · session 2 after 1 death · 18/s',
    );
    expect(renderProgress(progress, { columns: 40, rate: 18.4 })).to.equal('███░░░░░░░░░░░  22% 120/525 · 96 records');
  });

  it('shows a count and no percentage while a later step can still add work', () => {
    const line = (change: Partial<RunProgress>) => renderProgress(makeProgress(change), { columns: 100, rate: 18.4 });
    expect(line({})).to.equal('120 done · 96 records · session 2 after 1 death · 18/s');
    expect(line({ state: 'finishing' })).to.contain(' 22% 120/525 · 96 records · finishing');
  });

  it('never needs more columns than the terminal has', () => {
    assert(
      property(
        integer({ min: 4, max: 200 }),
        nat(1e6),
        nat(1e6),
        string({ unit: 'grapheme' }),
        (columns, done, total, label) => {
          const line = renderProgress(makeProgress({ display: { done, total, label } }), { columns, rate: 1 });
          expect(widthOf(line)).to.be.at.most(columns);
        },
      ),
    );
  });

  it('has the rate of the last ten seconds', () => {
    const rate = new RateMeter();
    expect(rate.update(0, 0)).to.equal(undefined);
    expect(rate.update(50, 5_000)).to.equal(10);
    expect(rate.update(50, 15_000)).to.equal(0);
  });
});

describe('the progress display', () => {
  let clock: SinonFakeTimers;
  beforeEach(() => (clock = useFakeTimers()));
  afterEach(() => clock.restore());

  const open = (screen: Screen, environment = {}) =>
    openProgress({ stream: screen as unknown as WriteStream, environment });

  it('shows the bar below the lines of the log, in narrower and wider windows', () => {
    const screen = new Screen(100);
    const display = open(screen);
    let progress = makeProgress({ display: { done: 120, total: 525 } });
    display.print('before\n');
    display.watch(() => progress);
    expect(screen.rows).to.have.length(2);
    display.print('a line of the log\n');
    progress = { ...progress, records: 97 };
    clock.tick(250);
    screen.resize(40);
    clock.tick(250);
    display.print('another\n');
    screen.resize(120);
    clock.tick(250);
    expect(screen.rows.slice(0, 3)).to.deep.equal(['before', 'a line of the log', 'another']);
    expect(screen.rows[3]).to.match(/^█+░+ {2}22% 120\/525 · 97 records · session 2 after 1 death$/);
    expect(screen.rows).to.have.length(4);
    display.stop();
    expect(screen.text).to.equal('before\na line of the log\nanother\n');
    expect(clock.countTimers()).to.equal(0);
    expect(screen.listeners.size).to.equal(0);
  });

  it('writes only JSON if it is asked to, on a terminal, too', () => {
    const screen = new Screen(100);
    const display = openProgress({ stream: screen as unknown as WriteStream, environment: {}, format: 'json' });
    display.print('{"level":"warn","message":"slow"}\n');
    display.note('two\nlines\u001b[2J\n');
    display.watch(() => makeProgress());
    clock.tick(5_000);
    display.stop();
    const entries = screen.rows.slice(0, -1).map((row) => JSON.parse(row) as { timestamp?: string });
    for (const entry of entries) delete entry.timestamp;
    const { counts } = makeProgress();
    expect(entries).to.deep.equal([
      { level: 'warn', message: 'slow' },
      { level: 'info', message: 'two\nlines\u001b[2J' },
      {
        ...{ state: 'running', counts, records: 96, sessions: 2, deaths: 1, level: 'info' },
        message: 'running: 120 done, 96 records, session 2 after 1 death',
      },
    ]);
  });

  it('prints a line every five seconds without a terminal, or on a CI service', () => {
    for (const environment of [{ CI: 'true' }, { TERM: 'dumb' }]) {
      const screen = new Screen(100);
      const display = open(screen, environment);
      display.watch(() => makeProgress());
      clock.tick(10_000);
      display.stop();
      clock.tick(10_000);
      const line = 'running: 120 done, 96 records, session 2 after 1 death\n';
      expect(screen.text).to.equal(line + line);
    }
  });
});
