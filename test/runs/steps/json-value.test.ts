import vm from 'node:vm';

import { expect } from 'chai';
import { ActionError } from 'webdriver-supervisor';

import { fromJsonText, RecordTooLargeError, toJsonText, toRecordText } from '../../../src/runs/steps/json-value.ts';
import { runScripted } from '../../support/scripted-run.ts';

class Product {
  readonly sku = 'x';
}

const RECORD = { dataset: 'records', key: 'r', maxBytes: 1_000_000 };
const what = () => 'The value of the step "a"';

describe('Stored values', () => {
  it('are equal copies', () => {
    const shared = { x: 1 };
    const values: unknown[] = [
      null,
      true,
      0.1,
      -1e21,
      '',
      '\u0000 \u2028 "\\ 👋 \ud800',
      [],
      [1, [2, { three: 3 }]],
      { a: null, 'b.c': [''], __proto__: null },
      { one: shared, two: shared },
      JSON.parse('{"__proto__":{"polluted":1},"constructor":1}'),
      Object.assign(Object.create(null) as object, { bare: 1 }),
      vm.runInNewContext('({ other: ["realm"] })'),
    ];
    for (const value of values) {
      const copy = fromJsonText<unknown>(toJsonText(value, what));
      expect(JSON.stringify(copy)).to.equal(JSON.stringify(value));
      if (typeof value === 'object' && value !== null) expect(copy).not.to.equal(value);
    }
    expect(({} as { polluted?: number }).polluted).to.equal(undefined);
  });

  it('may be undefined, also as a field, which is then left out', () => {
    expect(toJsonText(undefined, what)).to.equal(undefined);
    expect(fromJsonText(undefined)).to.equal(undefined);
    expect(toJsonText({ a: undefined, b: 1 }, what)).to.equal('{"b":1}');
  });

  const cycle: Record<string, unknown> = { name: 'cycle' };
  cycle['self'] = [cycle];
  const refused: [name: string, value: unknown, path: string, reason: string][] = [
    ['a Date', { when: new Date(0) }, 'when', 'a Date'],
    ['a Map', [{ map: new Map() }], '[0].map', 'a Map'],
    ['a Set', new Set(), 'it', 'a Set'],
    ['a BigInt', { a: { b: [1, 2n] } }, 'a.b[1]', 'a bigint'],
    ['a function', { run: () => 1 }, 'run', 'a function'],
    ['a symbol', [Symbol('x')], '[0]', 'a symbol'],
    ['a class instance', { product: new Product() }, 'product', 'a Product'],
    ['an Error', { error: new Error('x') }, 'error', 'an? Error'],
    ['bytes', { body: Buffer.from('x') }, 'body', 'a Buffer'],
    ['a regular expression', { like: /x/ }, 'like', 'a RegExp'],
    ['a boxed text', { text: Object('x') as unknown }, 'text', 'a String'],
    ['NaN', { price: Number.NaN }, 'price', 'the number NaN'],
    ['Infinity', [Infinity], '[0]', 'the number Infinity'],
    ['a promise that was not awaited', { title: Promise.resolve('x') }, 'title', 'a Promise'],
    ['toJSON, which would change it', { toJSON: () => 1 }, 'toJSON', 'a function'],
    ['undefined in a list', { list: [1, undefined] }, 'list[1]', 'undefined, which is null'],
    // oxlint-disable-next-line no-sparse-arrays -- the hole is what is tested
    ['a hole in a list', [[1, , 3]], '[0][1]', 'missing'],
    ['a symbol as a key', { a: { [Symbol('s')]: 1 } }, 'a', 'an object with the key Symbol\\(s\\)'],
    ['a list with toJSON', [Object.assign([1], { toJSON: () => 2 })], '[0]', 'a list with `toJSON`'],
    ['a hidden toJSON', [Object.defineProperty({}, 'toJSON', { value: () => 2 })], '[0]', 'an object with `toJSON`'],
    ['an inherited toJSON', Object.create({ __proto__: null, toJSON: () => 2 }), 'it', 'an object with `toJSON`'],
    ['a cycle', cycle, 'self[0]', 'part of a circle'],
  ];
  for (const [name, value, path, reason] of refused) {
    it(`are refused with their path if they contain ${name}`, () => {
      expect(() => toJsonText(value, what)).to.throw(
        ActionError,
        new RegExp(`^The value of the step "a" can't be stored: ${path.replace(/[[\]]/g, '\\$&')} is ${reason}`),
      );
    });
  }

  it('may be nested 1 000 levels deep, and are refused beyond without a stack overflow', () => {
    const nest = (levels: number) => {
      let value: unknown[] = [];
      for (let level = 1; level < levels; level += 1) value = [value];
      return value;
    };
    expect(fromJsonText(toJsonText(nest(1_000), what))).to.deep.equal(nest(1_000));
    for (const levels of [1_001, 20_000])
      expect(() => toJsonText(nest(levels), what)).to.throw(ActionError, /^.{1,300} is nested deeper than 1000 levels/);
  });

  it('are refused as records above the limit, in bytes of UTF-8, with dataset, key, size and limit', () => {
    const envelope = '{"text":""}'.length;
    expect(toRecordText({ text: 'x'.repeat(1_000_000 - envelope) }, RECORD)).to.have.length(1_000_000);
    for (const [text, bytes] of [
      ['x'.repeat(1_000_001 - envelope), 1_000_001],
      ['長'.repeat(400_000), 1_200_000 + envelope],
    ] as const) {
      expect(() => toRecordText({ text }, RECORD))
        .to.throw(
          RecordTooLargeError,
          /^The record "r" of dataset "records" takes 1\.[123] MB as JSON; the limit is 1 MB\. Save/,
        )
        .with.deep.property('data', { dataset: 'records', key: 'r', bytes, limit: 1_000_000 });
    }
  });

  it('are refused as records if they are not objects', () => {
    for (const value of [undefined, null, 'text', 1, [1], true]) {
      expect(() => toRecordText(value, RECORD)).to.throw(ActionError, 'The record "r" must be an object');
    }
  });

  it('fail their step without a further attempt if they are not JSON, and name the step', async () => {
    let attempts = 0;
    const { outcome, code } = await runScripted({
      run: async ({ step }) => {
        await step('Price of A', () => ({ at: new Date(0), n: (attempts += 1) }), { retries: 3 });
      },
    });
    expect(attempts).to.equal(1);
    expect(code).to.equal('action-error');
    expect(outcome.error?.message).to.contain('the step "Price of A"').and.contain('at is a Date');
    expect(outcome.counts).to.include({ total: 1, failed: 1 });
  });
});
