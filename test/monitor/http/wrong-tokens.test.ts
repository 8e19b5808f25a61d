import { expect } from 'chai';

import { makeLog } from '../../../src/core/log.ts';
import { WrongTokens } from '../../../src/monitor/http/wrong-tokens.ts';
import { useClockInEachTest } from '../../support/fake-clock.ts';
import { numbers } from '../../support/opened-run.ts';

describe('WrongTokens', () => {
  const clock = useClockInEachTest('performance');
  let lines: string[];
  let reports: string[];
  let wrongTokens: WrongTokens;

  beforeEach(() => {
    lines = [];
    reports = [];
    const log = makeLog({ level: 'debug', format: 'json', write: (line) => void lines.push(line) });
    wrongTokens = new WrongTokens({ log, report: (client) => void reports.push(client) });
  });

  /** Sends a wrong token. Returns true if it was checked. */
  const guess = (client: string): boolean => {
    if (wrongTokens.holdUp(client) > 0) return false;
    wrongTokens.note(client);
    return true;
  };

  it('checks at most ten wrong tokens within any minute', () => {
    const lookedAt: number[] = [];
    for (let second = 0; second < 300; second += 1) {
      for (const _number of numbers(3)) if (guess('a')) lookedAt.push(second);
      clock().tick(1_000);
    }
    for (const start of numbers(240))
      expect(lookedAt.filter((at) => at >= start && at < start + 60).length, `from ${start} s`).to.be.at.most(10);
    expect(lookedAt.length).to.equal(50);
  });

  it('returns how long a client has to wait, and delays no other client', () => {
    for (const _number of numbers(10)) {
      expect(wrongTokens.holdUp('a')).to.equal(0);
      wrongTokens.note('a');
      clock().tick(1_000);
    }
    expect(wrongTokens.holdUp('a')).to.equal(50_000);
    expect(wrongTokens.holdUp('b')).to.equal(0);
    clock().tick(50_000);
    expect(wrongTokens.holdUp('a')).to.equal(0);
  });

  it('logs once per burst of a client, which ends after a minute without a token', () => {
    for (const _second of numbers(200)) {
      guess('a');
      clock().tick(1_000);
    }
    guess('b');
    expect(lines).to.have.length(2);
    clock().tick(60_000);
    guess('a');
    expect(lines).to.have.length(3);
    expect(lines[0]).to.include('"level":"warn"').and.include('"client":"a"');
  });

  it('reports ten or more within ten minutes at most once a minute, even if guessing is slow or shared', () => {
    for (const number of numbers(9)) guess(`client ${number}`);
    expect(reports).to.deep.equal([]);
    clock().tick(599_999);
    guess('the tenth');
    expect(reports).to.deep.equal(['the tenth']);
    for (const number of numbers(20)) guess(`another ${number}`);
    expect(reports).to.have.length(1);
    clock().tick(60_000);
    guess('a minute later');
    expect(reports).to.deep.equal(['the tenth', 'a minute later']);
  });

  it('reports nothing if there were fewer within ten minutes', () => {
    for (const _number of numbers(40)) {
      guess('a');
      clock().tick(66_667);
    }
    expect(reports).to.deep.equal([]);
  });

  it('stores at most 10 000 clients, and drops those without a wrong token for the longest time', () => {
    for (const _number of numbers(10)) guess('first');
    for (const number of numbers(9_999)) guess(`client ${number}`);
    expect(guess('first')).to.equal(false);
    for (const number of numbers(5_000)) guess(`another ${number}`);
    expect(wrongTokens.size).to.equal(10_000);
    expect(guess('first')).to.equal(false);
    for (const number of numbers(10_000)) guess(`third ${number}`);
    expect(guess('first')).to.equal(true);
  });
});
