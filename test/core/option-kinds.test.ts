import { expect } from 'chai';
import { ConfigError } from '../../src/core/errors.ts';
import {
  COUNT,
  FLAG,
  FLAG_OR_OBJECT,
  FUNCTION,
  MILLISECONDS,
  OBJECT,
  POSITIVE_COUNT,
  SIGNAL,
  TEXT,
  validateOptions,
} from '../../src/core/option-kinds.ts';

const KINDS = {
  name: TEXT,
  isOn: FLAG,
  parts: OBJECT,
  restore: FLAG_OR_OBJECT,
  work: FUNCTION,
  signal: SIGNAL,
  limitMs: MILLISECONDS,
  retries: COUNT,
  size: POSITIVE_COUNT,
};

describe('validateOptions', () => {
  it('accepts options of the right types, and undefined as not given', () => {
    const { signal } = new AbortController();
    const options = {
      name: '',
      isOn: false,
      parts: {},
      restore: true,
      work: () => 1,
      signal,
      limitMs: 0.5,
      retries: 0,
      size: 1,
    };
    validateOptions('f', options, KINDS);
    validateOptions('f', { name: undefined, restore: {}, unknown: undefined }, KINDS);
  });

  for (const [name, value, words] of [
    ['name', 5, 'a text, and is the number 5'],
    ['isOn', 'yes', 'true or false, and is a text'],
    ['parts', [], 'an object, and is a list'],
    ['restore', null, 'true, false or an object, and is null'],
    ['work', {}, 'a function, and is an object'],
    ['signal', new AbortController(), 'an AbortSignal, and is an object'],
    ['limitMs', 0, 'a number of milliseconds above 0, and is the number 0'],
    ['limitMs', NaN, 'a number of milliseconds above 0, and is the number NaN'],
    ['retries', -1, 'a whole number of at least 0, and is the number -1'],
    ['retries', 1n, 'a whole number of at least 0, and is a bigint'],
    ['size', 0, 'a whole number of at least 1, and is the number 0'],
  ] as const) {
    it(`reports of an option of another type: ${name} must be ${words}`, () => {
      expect(() => validateOptions('f', { [name]: value }, KINDS)).to.throw(
        ConfigError,
        `The option ${name} must be ${words}.`,
      );
    });
  }

  it('names an option that does not exist, and those that do', () => {
    expect(() => validateOptions('f', { retry: 1 }, KINDS)).to.throw(
      ConfigError,
      'f has no option retry. Did you mean retries?',
    );
    expect(() => validateOptions('f', { constructor: 1 }, { name: TEXT })).to.throw('f has no option constructor.');
  });

  it('shows no value of a text, which may be a secret', () => {
    expect(() => validateOptions('f', { isOn: 'hunter2' }, KINDS)).to.throw(/^(?!.*hunter2)/);
  });

  it('refuses options that are not an object', () => {
    expect(() => validateOptions('f', 'headless', KINDS)).to.throw(
      ConfigError,
      'f takes an object of options, and was given a text.',
    );
  });
});
