import { expect } from 'chai';

import type { DeathCause } from '../../../src/model/death.ts';
import type { Recording } from '../../../src/model/recording.ts';
import { renderRecording } from '../../../src/runs/reports/reports.ts';
import { makeDeath } from '../../support/make-death.ts';
import { before, makeRecording } from './make-recording.ts';

const HOSTILE = '"\'></i><script>alert(1)</script><img src=https://evil.example/x onerror=alert(1)>\u202E\u001B[31m';

const render = (change: Partial<Recording> = {}) => renderRecording(makeRecording(change));

describe('The page of a recording', () => {
  it('begins with the cause and the diagnosis of the death', () => {
    const diagnosis = {
      reason: 'page',
      confidence: 'likely',
      evidence: ['3 GB of nodes'],
      advice: 'Close tabs.',
    } as const;
    const page = render({ death: makeDeath({ diagnosis }) });
    expect(page)
      .to.include('<h1>The browser probably died again on the same page</h1>')
      .and.include(' in session 1</title>');
    for (const text of ['3 GB of nodes', 'Close tabs.', 'href="recording.json"']) expect(page).to.include(text);
  });

  it('begins with the step and its error if a step failed', () => {
    const page = render({ death: null, failure: { step: 'the step "log in"', message: 'no such element' } });
    expect(page)
      .to.include('<h1>A step failed</h1>')
      .and.include('The step &quot;log in&quot;')
      .and.include('no such element');
  });

  it('reports that the run ended if there was neither', () => {
    expect(render({ death: null })).to.include('<h1>The run ended</h1>');
  });

  it('has events and samples at their shares of the time', () => {
    const page = render({
      commands: [
        { at: before(15), label: 'POST /url', outcome: '200', durationMs: 5_000 },
        { at: before(5), label: 'GET /title', outcome: 'unanswered', durationMs: null },
      ],
      navigations: [{ at: before(10), url: 'http://shop/a?b=c' }],
      console: [{ at: before(4), level: 'error', text: 'broken' }],
      failedRequests: [{ at: before(2), url: 'http://shop/api', status: 503, error: null }],
      samples: [
        { at: before(20), memoryBytes: 1e9, cpuPercent: null, processes: 9 },
        { at: before(0), memoryBytes: 2e9, cpuPercent: 50, processes: 9 },
      ],
      pictures: [{ at: before(10), jpeg: 'UE5H' }],
    });
    for (const position of [
      'class="bar " style="left:25%;width:25%;',
      'class="bar open" style="left:75%;width:25%;',
      'class="span" style="left:50%;width:50%"',
      'class="dot bad" style="left:80%"',
      'class="dot bad" style="left:90%"',
      'd="M0 100L0 53L100 6L100 100Z"',
    ])
      expect(page.replace(/\s+/g, ' ')).to.include(position);
    expect(page).to.include('href="#picture-1"').and.include('id="picture-1"').and.include('1 unanswered');
    expect(page).to.include('>/a?b=c<').and.include('2\u202F000 MB');
  });

  it('has no bar outside of its time', () => {
    const page = render({ commands: [{ at: before(60), label: 'POST /url', outcome: '200', durationMs: 900_000 }] });
    expect(page).to.include('left:0%;width:100%');
  });

  it('contains no markup, no address, no picture and no control character of a hostile page, wherever it stands', () => {
    const page = render({
      death: makeDeath({
        cause: HOSTILE as DeathCause,
        evidence: { message: HOSTILE, url: HOSTILE, lastCommands: [HOSTILE] },
        diagnosis: { reason: 'page', confidence: 'likely', evidence: [HOSTILE], advice: HOSTILE },
        consequences: [HOSTILE],
      }),
      browser: HOSTILE,
      commands: [{ at: before(1), label: HOSTILE, outcome: HOSTILE, durationMs: 1 }],
      navigations: [{ at: before(1), url: HOSTILE }],
      console: [{ at: before(1), level: HOSTILE, text: HOSTILE }],
      failedRequests: [{ at: before(1), url: HOSTILE, status: null, error: HOSTILE }],
      pictures: [{ at: before(1), jpeg: HOSTILE }],
    });
    for (const text of ['<script', '<img', '\u202E', '\u001B']) expect(page).not.to.include(text);
    expect(page.match(/(src|href|srcset|action)="[^"]*[:/][^"]*"/g)).to.equal(null);
    expect(page).not.to.match(/url\(|@import/);
  });

  it('has no secret', () => {
    const page = render({
      navigations: [{ at: before(1), url: 'https://ann:hunter2secret@shop.test/?token=abc123def456' }],
      console: [{ at: before(1), level: 'info', text: 'password="p4ssw0rd!!"' }],
      failedRequests: [{ at: before(1), url: 'http://shop/?access_token=zyx987wvu', status: 401, error: null }],
    });
    expect(page).not.to.match(/hunter2secret|abc123def456|p4ssw0rd|zyx987wvu/);
  });
});
