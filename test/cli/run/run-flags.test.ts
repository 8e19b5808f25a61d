import { expect } from 'chai';
import { ConfigError, defineAction, z } from 'webdriver-supervisor';

import { flagTerm, RUN_COMMAND_FLAGS } from '../../../src/cli/run/run-help.ts';
import { parseRunFlags, type RunRequest } from '../../../src/cli/run/run-flags.ts';
import { RUN_FLAGS } from '../../../src/runs/runs.ts';

const action = defineAction({ name: 'mine', description: 'Mine.', params: z.object({}), run: () => undefined });

const typed = defineAction({
  name: 'typed',
  description: 'Has a parameter of each kind.',
  params: z.object({
    low: z.number().optional(),
    mode: z.enum(['a', 'b']).optional(),
    strict: z.boolean().optional(),
    label: z.array(z.string()).optional(),
    shape: z.object({ a: z.array(z.number()) }).optional(),
    apiKey: z.string().optional(),
  }),
  run: () => undefined,
});

function parse(...args: string[]): RunRequest {
  return parseRunFlags(action, args, 'mine');
}

function refusal(...args: string[]): string {
  try {
    parse(...args);
  } catch (thrown) {
    if (thrown instanceof ConfigError) return thrown.message;
    throw thrown;
  }
  throw new Error(`${args.join(' ')} was accepted`);
}

describe('the flags of run', () => {
  it('are refused as names of parameters', () => {
    expect(RUN_FLAGS).to.include.members(RUN_COMMAND_FLAGS.map(({ name }) => name));
  });

  it('pass the step to repeat and the state file on to the run', () => {
    const { options } = parse('--resume', 'last', '--redo', 'page 3', '--session-state', 'state.json');
    expect(options).to.deep.include({ resume: 'last', redo: 'page 3', sessionState: 'state.json' });
    expect(parse().options).to.not.have.any.keys('redo', 'sessionState');
  });

  it('ask for a rehearsal of some steps or of all', () => {
    const scopes = [[], ['--rehearse'], ['--rehearse=all'], ['--rehearse', 'all'], ['--no-rehearse']].map(
      (args) => parse(...args).rehearsal,
    );
    expect(scopes).to.deep.equal([undefined, 'some', 'all', 'all', undefined]);
  });

  it('are shown with their optional value', () => {
    const [rehearse] = RUN_COMMAND_FLAGS.filter(({ name }) => name === 'rehearse');
    expect(flagTerm(rehearse!)).to.equal('--rehearse[=all]');
  });

  it('take a value behind an equals sign or as the next word, which may be a negative number', () => {
    const given = (...args: string[]) => parseRunFlags(typed, args, 'typed').params;
    expect(given('--label=-a', '--label', '-5', '--label', '')).to.deep.equal({ label: ['-a', '-5', ''] });
    expect(given('--low', '-5', '--no-strict', '--shape={"a":[1]}')).to.deep.equal({
      low: -5,
      strict: false,
      shape: { a: [1] },
    });
    expect(given('--strict=off', '--no-strict')).to.deep.equal({ strict: false });
  });

  it('take a tuple and a value of any JSON as a whole, not as a list', () => {
    const params = z.object({ pair: z.tuple([z.string(), z.number()]).optional(), any: z.json().optional() });
    const whole = defineAction({ name: 'whole', description: 'Whole.', params, run: () => undefined });
    const given = parseRunFlags(whole, ['--pair', '["a",1]', '--any', '{"a":1}'], 'whole').params;
    expect(given).to.deep.equal({ pair: ['a', 1], any: '{"a":1}' });
  });

  it('take a number, a boolean or an object if the schema refuses the text', () => {
    const params = z.object({
      pages: z.union([z.literal('all'), z.number()]),
      level: z.literal(['off', 2]),
      agreed: z.literal(true),
      shape: z.discriminatedUnion('kind', [z.object({ kind: z.literal('a') }), z.object({ kind: z.literal('b') })]),
      name: z.union([z.string(), z.number()]),
    });
    const mixed = defineAction({ name: 'mixed', description: 'Mixed.', params, run: () => undefined });
    const args = ['--pages', '5', '--level', '2', '--agreed', '--shape', '{"kind":"b"}', '--name', '5'];
    const expected = { pages: 5, level: 2, agreed: true, shape: { kind: 'b' }, name: '5' };
    expect(parseRunFlags(mixed, args, 'mixed').params).to.deep.equal(expected);
    const all = parseRunFlags(mixed, ['--pages', 'all', ...args.slice(2)], 'mixed').params;
    expect(all).to.deep.equal({ ...expected, pages: 'all' });
    expect(() => parseRunFlags(mixed, ['--pages', '9007199254740993', ...args.slice(2)], 'mixed')).to.throw(
      ConfigError,
      '--pages is "9007199254740993"',
    );
  });

  const REFUSED: readonly [string[], string][] = [
    [['--redo', 'page 3'], '--redo does a step of an earlier run again; name that run with --resume'],
    [['--resume', 'last', '--redo='], '--redo is empty.'],
    [['--session-state='], '--session-state is empty.'],
    [['--rehearse=most'], '--rehearse is "most"; write --rehearse or --rehearse=all.'],
    [['--rehearse=all', '--resume', 'last'], '--rehearse starts new runs; it cannot be used with --resume.'],
    [['--standby', '--no-recover'], '--standby is for the recovery from deaths; it cannot be used with --no-recover.'],
    [['--rehearse', '--no-recover'], '--rehearse shows how a run recovers from deaths; it cannot be used with'],
  ];
  const REFUSED_PARAMETERS: readonly [string[], string][] = [
    [['--low', '1', '--low=2'], '--low is given twice: 1 and 2. Give it once.'],
    [['--mode', 'a', '--mode', 'a'], '--mode is given twice: "a" and "a". Give it once.'],
    [['--strict', '--no-strict'], '--strict is given twice: true and false. Give it once.'],
    [['--api-key', 'first', '--api-key', 'second'], '--api-key is given twice: "***" and "***".'],
    [
      ['--low', '--strict'],
      '--low needs a value: --low <number>. If the value begins with a dash, write --low=-value.',
    ],
    [['--label', '--strict'], '--label needs a value'],
    [['--strict', 'maybe'], '--strict takes no value; write --strict or --no-strict.'],
    [['--modes=a'], '--modes=… is unknown. Did you mean --mode?'],
    [['--no-strikt'], '--no-strikt is unknown. Did you mean --no-strict?'],
    [['-x', 'y'], '-x is unknown.'],
    [['--low', '9007199254740993'], '--low is "9007199254740993"; JavaScript can\'t represent that number exactly.'],
    [['--low', '1e999'], "JavaScript can't represent that number exactly."],
    [['--shape', '{"a":[12345678901234567890]}'], "JavaScript can't represent that number exactly."],
    [['--mode', 'a', '--', '--low'], '"--low": only flags can follow the name of an action.'],
  ];
  for (const [args, message] of REFUSED_PARAMETERS) {
    it(`are refused with a reason: ${args.join(' ')}`, () => {
      expect(() => parseRunFlags(typed, args, 'typed')).to.throw(ConfigError, message);
    });
  }

  it('show no word that is most likely a part of a secret', () => {
    const lines: readonly string[][] = [
      ['--api-key', '-hidden'],
      ['--api-key', '--hidden=1'],
      ['--api-key', 'open', 'hidden'],
    ];
    for (const args of lines) {
      expect(() => parseRunFlags(typed, args, 'typed'))
        .to.throw(ConfigError, /needs a value|only flags/)
        .with.property('message')
        .that.does.not.include('hidden');
    }
  });

  it('accept large numbers that are exact', () => {
    const { params } = parseRunFlags(typed, ['--low', '+9007199254740994', '--shape={"a":[1e21,0.1,-0]}'], 'typed');
    expect(params).to.deep.equal({ low: 9007199254740994, shape: { a: [1e21, 0.1, -0] } });
  });

  for (const [args, message] of REFUSED) {
    it(`are refused with a reason: ${args.join(' ')}`, () => {
      expect(refusal(...args)).to.include(message);
    });
  }
});
