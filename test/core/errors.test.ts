import { expect } from 'chai';
import {
  ActionError,
  CancelledError,
  ConfigError,
  DeadlineError,
  describeError,
  InvariantError,
  SupervisorError,
  stackOf,
  toError,
} from '../../src/core/errors.ts';

/** The values that programs compare. Changing a row breaks them. */
const CATALOGUE = [
  { error: new ConfigError('m'), name: 'ConfigError', code: 'invalid-config', consequence: 'abort-run' },
  { error: new ActionError('m'), name: 'ActionError', code: 'action-error', consequence: 'abort-run' },
  { error: new CancelledError(), name: 'CancelledError', code: 'cancelled', consequence: 'abort-run' },
  { error: new DeadlineError('m', 1), name: 'DeadlineError', code: 'deadline-exceeded', consequence: 'fail-step' },
  { error: new InvariantError('m'), name: 'InvariantError', code: 'broken-invariant', consequence: 'abort-run' },
] as const;

describe('The error catalogue of core', () => {
  for (const { error, name, code, consequence } of CATALOGUE) {
    it(`gives ${name} the code ${code} and the consequence ${consequence}`, () => {
      expect(error).to.be.instanceOf(SupervisorError).and.to.include({ name, code, consequence });
      expect(error.message).not.to.equal('');
    });
  }

  it('preserves cause and data, and has empty data by default', () => {
    const cause = new Error('below');
    const error = new ConfigError('above', { cause, data: { setting: 'A' } });
    expect(error.cause).to.equal(cause);
    expect(error.data).to.deep.equal({ setting: 'A' });
    expect(new ConfigError('alone').data).to.deep.equal({});
  });
});

describe('toError', () => {
  it('returns an Error unchanged', () => {
    const error = new TypeError('as it is');
    expect(toError(error)).to.equal(error);
  });

  for (const [what, thrown, message] of [
    ['a text', 'just a text', 'just a text'],
    ['undefined', undefined, 'A value that is not an Error was thrown: undefined'],
    ['a symbol', Symbol('s'), 'A value that is not an Error was thrown: Symbol(s)'],
    ['an object without a text', Object.create(null), 'A value that is not an Error was thrown: [object Object]'],
  ] as const) {
    it(`turns ${what} into an Error, with the value as its cause`, () => {
      expect(toError(thrown)).to.include({ message, cause: thrown });
    });
  }
});

describe('stackOf', () => {
  it('returns the stack of an error', () => {
    const error = new Error('broken');
    expect(stackOf(error)).to.equal(error.stack);
  });

  it('returns name and message in a program whose stacks are no texts', () => {
    const before: unknown = Reflect.get(Error, 'prepareStackTrace');
    Error.prepareStackTrace = (_error, frames) => frames;
    try {
      expect(stackOf(new TypeError('broken'))).to.equal('TypeError: broken');
    } finally {
      Reflect.set(Error, 'prepareStackTrace', before);
    }
  });
});

describe('describeError', () => {
  it(`returns code and message of the library's errors, and the code "error" for other errors`, () => {
    expect(describeError(new ConfigError('wrong'))).to.deep.equal({ code: 'invalid-config', message: 'wrong' });
    expect(describeError(new RangeError('far'))).to.deep.equal({ code: 'error', message: 'far' });
    expect(describeError('text')).to.deep.equal({ code: 'error', message: 'text' });
  });

  it('returns the name of an error without a message', () => {
    expect(describeError(new RangeError())).to.deep.equal({ code: 'error', message: 'RangeError' });
  });
});
