import { tmpdir } from 'node:os';

import { expect } from 'chai';

import { DeathHistory, SessionFacts } from '../../../src/driver/diagnosis/diagnosis.ts';

const GONE = { cause: 'browser-gone', detectedBy: 'devtools', message: '' } as const;

/** A driver whose output can be changed. The test's own process takes the part of the driver. */
const makeDriver = (lastOutput = '') => ({ pid: process.pid, folder: tmpdir(), lastOutput });

function observe(
  driver: ReturnType<typeof makeDriver> | undefined,
  capabilities: Readonly<Record<string, unknown>> = {},
) {
  const history = new DeathHistory();
  const entries = new Map(Object.entries(capabilities));
  return new SessionFacts({ driver, capabilities: entries, history: () => history });
}

describe('The facts about a session', () => {
  it('have the output since its start only', () => {
    const line = (text: string) => `[1:1:1130/212203.85:FATAL:x.cc:1] ${text.padEnd(300, '.')}\n`;
    const driver = makeDriver(line('Too many open files, before the start'));
    const facts = observe(driver);
    expect(facts.diagnose(GONE, null).reason).to.equal('unknown');
    driver.lastOutput += line('Check failed: after the start');
    expect(facts.diagnose(GONE, null).reason).to.equal('crashed');
    // Only the end of a long output is stored.
    driver.lastOutput = line('Too many open files, after the start');
    expect(facts.diagnose(GONE, null).reason).to.equal('limit-reached');
  });

  it('do not have the messages of pages', () => {
    const message = (text: string) => `[7:7:1130/224033.1:INFO:CONSOLE:1] "${text}", source: http://shop.test/ (1)\n`;
    const driver = makeDriver('Started.\n');
    const facts = observe(driver);
    driver.lastOutput += message('JavaScript heap out of memory') + message('first line\nToo many open files');
    expect(facts.diagnose(GONE, null).reason).to.equal('unknown');
    driver.lastOutput = message('Too many open files').slice(40) + message('other').slice(0, -20);
    expect(facts.diagnose(GONE, null).reason).to.equal('unknown');
    driver.lastOutput = `${message('before')}[7:7:1130/224033.1:ERROR:file.cc:1] Too many open files\n${message('after')}`;
    expect(facts.diagnose(GONE, null).reason).to.equal('limit-reached');
  });

  it('ignore the pid of a browser at another program’s endpoint, which may be another process here', () => {
    const facts = observe(undefined, { 'goog:processID': process.pid });
    facts.noteClosedSocket();
    facts.sample();
    expect(facts.diagnose(GONE, 'http://shop.test/').reason).to.equal('unknown');
  });

  it('know no browser of a pid that does not exist', () => {
    expect(observe(makeDriver(), { 'goog:processID': 4_194_305 }).diagnose(GONE, null).reason).to.equal('unknown');
  });

  it('have the versions of a browser and a driver that do not fit', () => {
    const chrome = { chromedriverVersion: '155.0.1 (abc)' };
    const facts = observe(makeDriver(), { browserVersion: '156.0.2', chrome });
    const { evidence } = facts.diagnose(
      { ...GONE, cause: 'driver-gone', message: 'the driver was ended by SIGSEGV' },
      null,
    );
    expect(evidence.at(-1)).to.equal('the driver is for version 155.0.1, and the browser is version 156.0.2');
  });

  it('have the end of a tab', () => {
    const facts = observe(makeDriver());
    facts.noteTabCrash({ status: 'oom', errorCode: 5 });
    const { reason, confidence } = facts.diagnose({ ...GONE, cause: 'tab-crashed' }, null);
    expect({ reason, confidence }).to.deep.equal({ reason: 'out-of-memory', confidence: 'certain' });
  });
});
