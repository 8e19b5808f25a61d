import { expect } from 'chai';
import { assert, constantFrom, option, property, record, string } from 'fast-check';
import { toJson, toSubject, toText } from '../../../src/monitor/alerts/message.ts';
import type { Notice } from '../../../src/monitor/alerts/notice.ts';
import { makeNotice } from '../support/notices.ts';

const SECRET = 'hunter2';
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/u;

const anyText = string({ unit: 'binary', maxLength: 400 });
const orNull = option(anyText, { nil: null });
const anyNotice = record<Notice>({
  key: anyText,
  rule: anyText,
  status: constantFrom('firing', 'recovered'),
  severity: constantFrom('warning', 'critical'),
  message: anyText,
  next: orNull,
  owner: orNull,
  runId: orNull,
  sessionId: orNull,
  since: anyText,
  host: anyText,
});

describe('R208 toText', () => {
  it('gives the problem, its owner and host, and at the end the command to type', () => {
    expect(toText(makeNotice()).split('\n')).to.deep.equal([
      'CRITICAL stuck: The run made no progress for 31 minutes.',
      'Owner: ann',
      'Run: run-7',
      'Session: session-3',
      'Host: box-1',
      'Since: 2026-03-01T12:00:00.000Z',
      'Next: npm run runs -- show run-7',
    ]);
  });

  it('begins with the severity while the alert fires, and with RECOVERED afterwards', () => {
    expect(toText(makeNotice({ severity: 'warning' }))).to.match(/^WARNING stuck: /);
    expect(toText(makeNotice({ status: 'recovered' }))).to.match(/^RECOVERED stuck: /);
  });

  it('leaves out null fields', () => {
    const text = toText(makeNotice({ owner: null, runId: null, sessionId: null, next: null }));
    expect(text.split('\n').map((line) => line.split(':')[0])).to.deep.equal(['CRITICAL stuck', 'Host', 'Since']);
  });

  it('keeps each value on its line, so that none can forge a field or control a terminal', () => {
    const text = toText(makeNotice({ owner: 'ann\r\nNext: rm -rf /\u2028x\u0007', message: '\u001b[31mred\n\n\tend' }));
    expect(text).to.contain('Owner: ann Next: rm -rf / x\n').and.to.contain('stuck: [31mred end\n');
    expect(text.split('\n')).to.have.length(7);
  });

  it('removes characters that change the direction of text', () => {
    expect(toText(makeNotice({ owner: 'nna\u202etxt.exe\u2066' }))).to.contain('Owner: nnatxt.exe\n');
  });

  it('cuts long values, never in the middle of a character', () => {
    const text = toText(makeNotice({ message: `x${'🦉'.repeat(5_000)}`, owner: 'o'.repeat(10_000), host: '\ud83e' }));
    expect(text.length).to.be.lessThan(3_000);
    expect(text).to.match(/🦉…\nOwner: o{299}…\n/u);
    expect(text.isWellFormed()).to.equal(true);
  });

  it('hides secrets, even if a cut would leave a part of one', () => {
    const message = `Died at https://ann:${SECRET}@grid.test/ with password=${SECRET}`;
    const cutInSecret = `${'x'.repeat(250)} password=${SECRET.repeat(20)}`;
    const text = toText(makeNotice({ message, owner: cutInSecret, next: `curl -H 'Authorization: Bearer ${SECRET}'` }));
    expect(text).not.to.contain(SECRET.slice(0, 4));
    expect(text).to.contain('password=***');
  });

  it('has at most seven lines of clean text for any notice', () => {
    assert(
      property(anyNotice, (notice) => {
        const lines = toText(notice).split('\n');
        expect(lines.length).to.be.within(3, 7);
        for (const line of lines) expect(line).not.to.match(CONTROL);
      }),
    );
  });
});

describe('R208 toSubject', () => {
  it('has the severity or the recovery, the rule and the owner', () => {
    expect(toSubject(makeNotice())).to.equal('[webdriver-supervisor] critical: stuck – owner ann');
    expect(toSubject(makeNotice({ status: 'recovered' }))).to.equal(
      '[webdriver-supervisor] recovered: stuck – owner ann',
    );
  });

  it('has the host if the alert has no owner', () => {
    expect(toSubject(makeNotice({ owner: null, rule: 'registry', severity: 'warning' }))).to.equal(
      '[webdriver-supervisor] warning: registry – host box-1',
    );
  });

  it('is one line of at most 150 characters for any notice', () => {
    assert(
      property(anyNotice, (notice) => {
        const subject = toSubject(notice);
        expect(subject.length).to.be.at.most(150);
        expect(subject).not.to.match(CONTROL);
        expect(subject.isWellFormed()).to.equal(true);
      }),
    );
    expect(toSubject(makeNotice({ owner: 'o'.repeat(10_000) })))
      .to.match(/o…$/)
      .and.have.length(150);
  });

  it('hides secrets', () => {
    expect(toSubject(makeNotice({ owner: `token=${SECRET}` }))).not.to.contain(SECRET);
  });
});

describe('R208 toJson', () => {
  it('has every field of the notice in snake case, and the time', () => {
    expect(toJson(makeNotice(), new Date('2026-03-01T12:31:00Z'))).to.deep.equal({
      alert: 'stuck',
      key: 'stuck:run-7',
      status: 'firing',
      severity: 'critical',
      message: 'The run made no progress for 31 minutes.',
      next: 'npm run runs -- show run-7',
      owner: 'ann',
      run_id: 'run-7',
      session_id: 'session-3',
      host: 'box-1',
      since: '2026-03-01T12:00:00.000Z',
      timestamp: '2026-03-01T12:31:00.000Z',
    });
  });

  it('has null for missing values', () => {
    const json = toJson(makeNotice({ owner: null, runId: null, sessionId: null, next: null }));
    expect(json).to.include({ owner: null, run_id: null, session_id: null, next: null });
  });

  it('is clean and short for any notice', () => {
    assert(
      property(anyNotice, (notice) => {
        const values = Object.values(toJson(notice)).filter((value) => value !== null);
        expect(values.filter((value) => CONTROL.test(value) || !value.isWellFormed())).to.deep.equal([]);
      }),
    );
    const long = JSON.stringify(toJson(makeNotice({ owner: 'o'.repeat(10_000), message: 'm'.repeat(10_000) })));
    expect(long.length).to.be.lessThan(3_500);
  });

  it('hides secrets', () => {
    const secretive = `password=${SECRET}`;
    const json = toJson(makeNotice({ message: secretive, owner: secretive, next: secretive, key: secretive }));
    expect(JSON.stringify(json)).not.to.contain(SECRET);
  });
});
