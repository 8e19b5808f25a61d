import { expect } from 'chai';
import { SupervisorError } from '../../src/core/errors.ts';
import {
  CommandTimeoutError,
  SessionDeathError,
  SessionEndedError,
  SessionStartError,
} from '../../src/driver/death.ts';
import { makeDeath } from '../support/make-death.ts';

const DEATH = makeDeath({
  at: '2026-01-01T00:00:00.000Z',
  evidence: { message: 'the socket closed', url: null, lastCommands: [] },
  epoch: 2,
});

/** The values that programs compare. Changing a row breaks them. */
const CATALOGUE = [
  { error: new SessionDeathError(DEATH), name: 'SessionDeathError', code: 'session-dead', consequence: 'halt-session' },
  { error: new SessionEndedError(), name: 'SessionEndedError', code: 'session-ended', consequence: 'fail-step' },
  {
    error: new SessionStartError('m'),
    name: 'SessionStartError',
    code: 'session-start-failed',
    consequence: 'abort-run',
  },
  {
    error: new CommandTimeoutError('GET /title', { deadlineMs: 1, url: null }),
    name: 'CommandTimeoutError',
    code: 'command-timeout',
    consequence: 'fail-step',
  },
] as const;

describe('The error catalogue of the driver', () => {
  for (const { error, name, code, consequence } of CATALOGUE) {
    it(`gives ${name} the code ${code} and the consequence ${consequence}`, () => {
      expect(error).to.be.instanceOf(SupervisorError).and.to.include({ name, code, consequence });
    });
  }

  it('puts cause, detector and message into SessionDeathError, and the death itself', () => {
    const error = new SessionDeathError(DEATH);
    expect(error.message).to.contain('browser-gone').and.to.contain('devtools').and.to.contain('the socket closed');
    expect(error.death).to.equal(DEATH);
    expect(error.data).to.deep.equal({ cause: 'browser-gone', detectedBy: 'devtools', epoch: 2, reason: 'unknown' });
  });

  it('ends the message of SessionDeathError with the reason if one is known', () => {
    const diagnosis = {
      reason: 'disk-full',
      confidence: 'likely',
      evidence: ['0 MB free'],
      advice: 'Free space.',
    } as const;
    const { message } = new SessionDeathError({ ...DEATH, diagnosis });
    expect(message).to.match(/the socket closed; probably disk-full: 0 MB free\. Free space\.$/);
  });

  it('names the command, its deadline and the setting in CommandTimeoutError', () => {
    const { message, data } = new CommandTimeoutError('POST /url', { deadlineMs: 1_500, url: 'http://shop.test/' });
    expect(message).to.contain('POST /url').and.to.contain('1.5 s').and.to.contain('COMMAND_TIMEOUT_SECONDS');
    expect(data).to.deep.equal({ command: 'POST /url', deadlineMs: 1_500, url: 'http://shop.test/' });
  });
});
