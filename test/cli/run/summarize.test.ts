import { expect } from 'chai';

import type { Rehearsal, RunOutcome } from '../../../src/runs/runs.ts';
import { describeRehearsal, summarize } from '../../../src/cli/run/summarize.ts';
import { makeDeath } from '../../support/make-death.ts';

function makeOutcome(change: Partial<RunOutcome> = {}): RunOutcome {
  return {
    runId: 'r1',
    action: 'gather',
    status: 'completed',
    owner: 'r1',
    counts: { total: 525, done: 525, failed: 0, cancelled: 0, skipped: 0 },
    records: 500,
    sessions: 1,
    deaths: [],
    error: null,
    warnings: [],
    repeatedEffects: [],
    report: null,
    durationMs: 8_123,
    outputs: { records: 'output/r1/records.jsonl' },
    ...change,
  };
}

const again = 'npm run action -- gather --url http://shop/ --no-recover';

const OUT_OF_MEMORY = {
  reason: 'out-of-memory',
  confidence: 'likely',
  evidence: ['256 MB of 256 MB in use', '1 process killed'],
  advice: 'Raise the memory limit.',
} as const;

describe('the summary of a run', () => {
  it('shows the command to read a compressed file', () => {
    const outcome = makeOutcome({ outputs: { records: 'output/r1/records.jsonl.gz' } });
    expect(summarize(outcome, { again }).at(-1)).to.equal(
      '  next       gzip -dc output/r1/records.jsonl.gz | head -n 3',
    );
  });

  it('has one line with the deaths that a completed run survived', () => {
    const frozen = makeDeath({ cause: 'frozen', detectedBy: 'heartbeat' });
    const outcome = makeOutcome({ sessions: 4, deaths: [makeDeath(), frozen, makeDeath()] });
    expect(summarize(outcome, { again })).to.deep.equal([
      'gather completed after 8.1 s: 500 records, 4 browser sessions.',
      '  deaths     survived 3 deaths: browser-gone ×2, frozen ×1',
      '  steps      525 = 525 done',
      '  data       output/r1/records.jsonl',
      '  next       head -n 3 output/r1/records.jsonl',
    ]);
  });

  it('has no additional lines, whatever the texts of pages, errors and authors contain', () => {
    const hostile = (name: string) => `${name}\u001b[2J\u009b1m\u202e\r\n  next       rm -rf /\u2028\u0007`;
    const outcome = makeOutcome({
      action: hostile('action'),
      status: 'failed',
      deaths: [
        makeDeath({
          evidence: { message: hostile('title'), url: hostile('url'), lastCommands: [hostile('command')] },
          consequences: [hostile('consequence')],
        }),
      ],
      error: { code: 'restart-limit', message: hostile('message') },
      warnings: [hostile('warning')],
      repeatedEffects: [hostile('step')],
      outputs: { [hostile('dataset')]: hostile('file') },
    });
    const rehearsal = {
      ...{ kills: 1, killedAt: [hostile('key')], notReached: [hostile('key')], differences: [hostile('record')] },
      ...{ repeatedEffects: [hostile('step')], warnings: [hostile('warning')], error: null, outcome },
    };
    const lines = [
      ...summarize(outcome, { again, resume: hostile('resume'), failedAt: hostile('place') }),
      ...describeRehearsal(rehearsal),
    ];
    for (const line of lines) {
      // oxlint-disable-next-line no-control-regex
      expect(line).to.not.match(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
    }
    expect(lines.filter((line) => /^ {2}next {7}/.test(line))).to.have.length(1);
  });

  it('begins with the root cause of a halted run, then evidence, symptoms, counts, files and the next command', () => {
    const outcome = makeOutcome({
      status: 'halted',
      counts: { total: 525, done: 120, failed: 0, cancelled: 405, skipped: 0 },
      records: 96,
      deaths: [makeDeath()],
      error: { code: 'session-dead', message: 'The browser session died' },
    });
    const resume = 'npm run action -- gather --resume r1';
    expect(summarize(outcome, { again, resume })).to.deep.equal([
      'The browser was killed or crashed (browser-gone, noticed by devtools) at 2026-11-20T18:15:30.123Z, 120 of 525 done.',
      '  evidence   the browser process was ended by signal 9',
      '  page       http://shop/1',
      '  commands   POST /url 200 34ms',
      '  symptoms   work ended by it: 41 queued, 5 under way; 3 refused afterwards',
      '             driver-gone (driver-exit): gone',
      'gather was halted after 8.1 s: 96 records, 1 browser session.',
      '  steps      525 = 120 done + 405 cancelled',
      '  data       output/r1/records.jsonl',
      '  next       npm run action -- gather --resume r1   (does the remaining work)',
    ]);
  });

  it('says first why the browser died, with figures, and before the end what prevents it', () => {
    const outcome = makeOutcome({
      status: 'halted',
      counts: { total: 2, done: 1, failed: 0, cancelled: 1, skipped: 0 },
      deaths: [makeDeath({ diagnosis: OUT_OF_MEMORY }), makeDeath({ diagnosis: OUT_OF_MEMORY })],
      error: { code: 'session-dead', message: 'The browser session died' },
    });
    const lines = summarize(outcome, { again, resume: 'npm run action -- gather --resume r1' });
    expect(lines[0]).to.equal(
      'The browser probably ran out of memory (browser-gone, noticed by devtools) at 2026-11-20T18:15:30.123Z, 1 of 2 done: 256 MB of 256 MB in use.',
    );
    expect(lines).to.include.members([
      '  evidence   1 process killed',
      '             the browser process was ended by signal 9',
      '  deaths     before this one, survived 1 death: browser-gone (out-of-memory) ×1',
    ]);
    expect(lines.at(-2)).to.equal('  advice     Raise the memory limit.');
  });

  it('names the last of many deaths if no recovery was left, and counts the earlier ones', () => {
    const outcome = makeOutcome({
      status: 'halted',
      deaths: [makeDeath(), makeDeath(), makeDeath({ cause: 'tab-crashed' })],
      error: { code: 'restart-limit', message: 'The session died 3 times' },
    });
    const lines = summarize(outcome, { again });
    expect(lines[0]).to.match(/^The browser tab crashed \(tab-crashed/);
    expect(lines).to.include('  then       restart-limit: The session died 3 times');
    expect(lines).to.include('  deaths     before this one, survived 2 deaths: browser-gone ×2');
  });

  it('ends with the command that waits if the owner is busy', () => {
    const outcome = makeOutcome({ status: 'failed', sessions: 0, error: { code: 'session-busy', message: 'Busy.' } });
    const wait = `${again} --owner ann --wait 600`;
    expect(summarize(outcome, { again, wait, resume: 'no' }).at(-1)).to.equal(`  next       ${wait}`);
  });

  it('ends with the export into another folder if the files could not be written', () => {
    const outcome = makeOutcome({ status: 'failed', error: { code: 'export-failed', message: 'The disk is full.' } });
    const exportTo = 'npm run runs -- export r1 --output FOLDER';
    expect(summarize(outcome, { again, resume: 'no', exportTo }).at(-1)).to.equal(
      `  next       ${exportTo}   (the data are stored)`,
    );
  });

  for (const code of ['action-error', 'replay-diverged']) {
    it(`does not suggest to resume an uncorrected action after ${code}`, () => {
      const outcome = makeOutcome({ status: 'failed', error: { code, message: 'Wrong.' } });
      expect(summarize(outcome, { again, resume: 'resume r1' }).at(-1)).to.equal(
        '  next       resume r1   (when the action is corrected)',
      );
    });
  }

  it('has each warning once, with its number', () => {
    const outcome = makeOutcome({ warnings: ['a\n b', 'c', 'a b', 'a b'] });
    expect(summarize(outcome, { again }).filter((line) => / [ac]( b)?( |$)/.test(line))).to.deep.equal([
      '  warnings   a b (3 times)',
      '             c',
    ]);
  });

  it('begins with code and message of a failed run, and the location of the error', () => {
    const outcome = makeOutcome({
      status: 'failed',
      deaths: [makeDeath()],
      error: { code: 'api-outage', message: 'The API is out of order' },
    });
    const lines = summarize(outcome, { again, failedAt: 'actions/gather.ts:12:9' });
    expect(lines[0]).to.equal('api-outage: The API is out of order (actions/gather.ts:12:9)');
    expect(lines).to.include('  deaths     survived 1 death: browser-gone ×1');
  });

  it('shows counts that add up', () => {
    const counts = { total: 10, done: 4, failed: 3, cancelled: 2, skipped: 1 };
    const lines = summarize(makeOutcome({ status: 'partial', counts }), { again });
    expect(lines).to.include('  steps      10 = 4 done + 3 failed + 2 cancelled + 1 skipped');
  });

  it('shows each warning on its own line, at most ten, then the number of the others', () => {
    const warnings = Array.from({ length: 12 }, (_unused, index) => `warning ${index + 1}\nin two lines`);
    const lines = summarize(makeOutcome({ warnings }), { again });
    expect(lines.slice(1, 12)).to.deep.equal([
      '  warnings   warning 1 in two lines',
      ...Array.from({ length: 9 }, (_unused, index) => `             warning ${index + 2} in two lines`),
      '             and 2 more',
    ]);
  });

  it('names the steps that were repeated after an interrupted attempt had sent something', () => {
    const repeatedEffects = ['the step "order"', 'the item "7" of batch "mails"'];
    const lines = summarize(makeOutcome({ repeatedEffects }), { again });
    expect(lines).to.include(
      '  repeated   These steps were done again although an interrupted attempt had already sent something: ' +
        'the step "order", the item "7" of batch "mails"',
    );
  });

  it('has no line for warnings and repeated effects if there are none', () => {
    expect(summarize(makeOutcome(), { again }).join('\n')).to.not.match(/warnings|repeated/);
  });
});

describe('the report of a rehearsal', () => {
  function makeRehearsal(change: Partial<Rehearsal> = {}): Rehearsal {
    return {
      outcome: makeOutcome(),
      kills: 2,
      killedAt: ['in the step "page 3" after its 2nd command', 'after the step "page 4"'],
      notReached: [],
      differences: [],
      error: null,
      warnings: [],
      repeatedEffects: [],
      ...change,
    };
  }

  it('has the result of a good rehearsal, and where its sessions were killed', () => {
    expect(describeRehearsal(makeRehearsal())).to.deep.equal([
      'The action replays well: 2 sessions killed, and the data are the same.',
      '  killed     in the step "page 3" after its 2nd command',
      '             after the step "page 4"',
    ]);
  });

  it('shows the differences, the warnings and the repeated effects of the disturbed run', () => {
    const lines = describeRehearsal(
      makeRehearsal({
        killedAt: [],
        differences: ['Killed after the step "a": record "7" is missing.'],
        warnings: ['The step "b" was not asked for again.'],
        repeatedEffects: ['the step "order"'],
        notReached: ['after the step "z"'],
      }),
    );
    expect(lines).to.deep.equal([
      'The action does not replay well: 2 sessions killed, and the result differs.',
      '  different  Killed after the step "a": record "7" is missing.',
      '  warnings   The step "b" was not asked for again.',
      '  repeated   These steps were done again although an interrupted attempt had already sent something: the step "order"',
    ]);
  });

  it('shows the positions that no disturbed run reached', () => {
    expect(describeRehearsal(makeRehearsal({ notReached: ['after the step "z"'] }))).to.include(
      '  not there  after the step "z"',
    );
  });

  it('reports that an action without steps can not be rehearsed', () => {
    const [first] = describeRehearsal(makeRehearsal({ kills: 0, killedAt: [] }));
    expect(first).to.include('killed no session: the action has no steps');
  });
});
