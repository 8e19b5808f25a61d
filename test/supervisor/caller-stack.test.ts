import { expect } from 'chai';
import { By, error, until } from 'selenium-webdriver';

import { callSiteOf } from '../../src/core/call-site.ts';
import { kill, rejectionOf, startScripted, type Scripted } from './support.ts';

const NO_ELEMENT = { status: 404, error: 'no such element', message: 'no such element: Unable to locate element' };

describe('The stack of a command’s error', () => {
  let scripted: Scripted;

  beforeEach(async () => {
    scripted = await startScripted();
    scripted.server.answer('POST /element', NO_ELEMENT);
  });

  afterEach(() => scripted[Symbol.asyncDispose]());

  /** The helper that sends the command is nearer to its cause than the test that calls it. */
  const calls = {
    'a command of the driver': function sendHere({ supervisor: { driver } }: Scripted) {
      return driver.findElement(By.css('a'));
    },
    'a command to an element that is not found': function sendHere({ supervisor: { driver } }: Scripted) {
      return driver.findElement(By.css('a')).click();
    },
    'a wait': function sendHere({ supervisor: { driver } }: Scripted) {
      return driver.wait(until.titleIs('x'), 1);
    },
    'a wait for an element': function sendHere({ supervisor: { driver } }: Scripted) {
      return driver.wait(until.elementLocated(By.css('b')), 1).click();
    },
  };

  for (const [name, sendHere] of Object.entries(calls)) {
    it(`names the function that called, for ${name}`, async () => {
      const thrown = await rejectionOf(sendHere(scripted));
      expect(thrown).to.be.instanceOf(error.WebDriverError);
      const frames = (thrown.stack ?? '').split('\n').filter((line) => line.includes('caller-stack.test.ts'));
      expect(frames[0]).to.contain('sendHere');
      expect(callSiteOf(thrown.stack)).to.match(/caller-stack\.test\.ts:\d+:\d+$/);
    });
  }

  it('keeps its message, its name and the frames of its own', async () => {
    const thrown = await rejectionOf(scripted.supervisor.driver.findElement(By.css('a')));
    expect(thrown.name).to.equal('NoSuchElementError');
    expect(thrown.message).to.equal(NO_ELEMENT.message);
    expect(thrown.stack).to.match(/^NoSuchElementError: no such element: .*\n +at .*throwDecodedError/);
  });

  it('stays as it is in a program whose stacks are no texts', async () => {
    const before = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
    Error.prepareStackTrace = (_error, frames) => frames;
    try {
      const thrown = await rejectionOf(scripted.supervisor.driver.findElement(By.css('a')));
      expect(thrown.name).to.equal('NoSuchElementError');
      expect(thrown.stack).to.be.an('array');
    } finally {
      Reflect.deleteProperty(Error, 'prepareStackTrace');
      if (before !== undefined) Object.defineProperty(Error, 'prepareStackTrace', before);
    }
  });

  it('does not grow when a condition throws the same error again', async () => {
    const { driver } = scripted.supervisor;
    const thrown = await rejectionOf(driver.findElement(By.css('a')));
    const { stack } = thrown;
    const again = () => rejectionOf(driver.wait(() => Promise.reject(thrown), 1));
    expect(await again()).to.equal(thrown);
    expect(thrown.stack).to.equal(stack);
  });

  it('does not grow for a death, whose error many calls share', async () => {
    kill(scripted.supervisor);
    const { driver } = scripted.supervisor;
    const errors = await Promise.all([rejectionOf(driver.getTitle()), rejectionOf(driver.getTitle())]);
    expect(errors[0].stack).to.equal(errors[1].stack);
  });
});
