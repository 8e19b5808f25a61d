import { expect } from 'chai';

import type { DeathCause } from '../../../src/model/death.ts';
import type { RunReport } from '../../../src/runs/reports/report-facts.ts';
import { renderRunReport } from '../../../src/runs/reports/run-report.ts';
import { makeDeath } from '../../support/make-death.ts';
import { makeReport } from './make-report.ts';

const HOSTILE = '"\'><script>alert(1)</script><img src=https://evil.example/x onerror=alert(1)>\u202E\u001B[31m';

const render = (change: Partial<RunReport> = {}, outcome: Partial<RunReport['outcome']> = {}) =>
  renderRunReport(makeReport(change, outcome));

describe('The report of a run', () => {
  it('begins with the result if the run had no death', () => {
    const page = render({ next: 'head -n 3 records.jsonl' });
    expect(page).to.include('<h1>gather completed</h1>').and.include('head -n 3 records.jsonl');
    expect(page).not.to.include('id="deaths"');
    expect(page).to.include('2 = 2 done');
  });

  it('has no empty parts if no session could be started', () => {
    const counts = { total: 0, done: 0, failed: 0, cancelled: 0, skipped: 0 };
    const page = render(
      { throughput: undefined, slowest: [], samples: [], links: new Map() },
      {
        ...{ status: 'failed', sessions: 0, records: 0, outputs: {}, counts },
        error: { code: 'session-start-failed', message: 'No browser was found.' },
      },
    );
    expect(page).to.include('No browser was found.').and.include('No step was begun; 0 records.');
    for (const part of ['time', 'deaths', 'steps', 'warnings']) expect(page).not.to.include(`id="${part}"`);
  });

  it('begins with the root cause and its diagnosis if a death ended the run', () => {
    const death = makeDeath({
      diagnosis: { reason: 'out-of-memory', confidence: 'certain', evidence: ['oom-kill'], advice: 'Add memory.' },
    });
    const error = { code: 'restart-limit', message: 'The session died too often.' };
    const page = render(
      { recordings: new Map([[death.at, 'deaths/1/report.html']]) },
      { status: 'halted', deaths: [death], error },
    );
    const positions = ['Root cause', 'The browser ran out of memory', 'oom-kill', 'Add memory.', 'restart-limit'];
    expect(positions.map((text) => page.indexOf(text))).to.deep.equal(
      positions.map((text) => page.indexOf(text)).toSorted((a, b) => a - b),
    );
    for (const text of positions) expect(page).to.include(text);
    expect(page).to.include('<a href="deaths/1/report.html">');
  });

  it('contains no markup, no address and no control character of a hostile page, wherever it stands', () => {
    const death = makeDeath({
      cause: HOSTILE as DeathCause,
      evidence: { message: HOSTILE, url: HOSTILE, lastCommands: [HOSTILE] },
      diagnosis: { reason: 'page', confidence: 'likely', evidence: [HOSTILE], advice: HOSTILE },
      consequences: [HOSTILE],
    });
    const page = render(
      {
        slowest: [{ batch: HOSTILE, key: HOSTILE, tookMs: 3 }],
        failedSteps: [{ batch: HOSTILE, key: HOSTILE, code: HOSTILE, message: HOSTILE }],
        samples: [
          { dataset: HOSTILE, records: 1, first: [JSON.stringify({ [HOSTILE]: HOSTILE })] },
          { dataset: 'cut', records: 1, first: [HOSTILE] },
        ],
        params: { [HOSTILE]: HOSTILE },
        options: { [HOSTILE]: HOSTILE },
        settings: [{ name: HOSTILE, value: HOSTILE, isDefault: false }],
        links: new Map([[HOSTILE, encodeURIComponent(HOSTILE.toWellFormed())]]),
        next: HOSTILE,
      },
      {
        status: 'halted',
        deaths: [death],
        warnings: [HOSTILE],
        repeatedEffects: [HOSTILE],
        owner: HOSTILE,
        outputs: { [HOSTILE]: HOSTILE },
      },
    );
    for (const text of ['<script', '<img', '\u202E', '\u001B']) expect(page).not.to.include(text);
    expect(page.match(/(src|href|srcset|action)="[^"]*[:/][^"]*"/g)).to.equal(null);
    expect(page).not.to.match(/url\(|@import/);
  });

  it('has no secret of parameters, records, settings and errors', () => {
    const url = 'https://ann:hunter2secret@shop.test/?token=abc123def456';
    const page = render(
      {
        samples: [{ dataset: 'records', records: 1, first: [JSON.stringify({ url, password: 'p4ssw0rd!!' })] }],
        params: { url },
        settings: [{ name: 'GRID_URL', value: url, isDefault: false }],
        failedSteps: [{ batch: null, key: url, code: 'error', message: `${url} failed` }],
      },
      { error: { code: 'error', message: `${url} failed` }, status: 'failed' },
    );
    expect(page).not.to.match(/hunter2secret|abc123def456|p4ssw0rd/);
  });

  it('has settings that differ from their defaults before the others, which are folded', () => {
    const page = render({
      settings: [
        { name: 'HEADLESS', value: 'false', isDefault: false },
        { name: 'BROWSER', value: 'chrome', isDefault: true },
      ],
    });
    expect(page.indexOf('HEADLESS')).to.be.below(page.indexOf('<summary>Settings with their defaults'));
    expect(page.indexOf('BROWSER<')).to.be.above(page.indexOf('<summary>Settings with their defaults'));
  });

  it('shows the last 50 of many deaths, under their numbers', () => {
    const deaths = Array.from({ length: 1_000 }, (_none, index) => makeDeath({ epoch: index + 1 }));
    const page = render({}, { deaths, sessions: 1_000 });
    expect(page).to.include('the last 50 of 1000').and.include('id="death-1000"').and.include('id="death-951"');
    expect(page).not.to.include('id="death-950"');
    expect(page.length).to.be.below(400_000);
  });
});
