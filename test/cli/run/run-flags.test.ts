import { expect } from 'chai';
import { ConfigError, defineAction, z } from 'webdriver-supervisor';

import { flagTerm, RUN_COMMAND_FLAGS } from '../../../src/cli/run/run-help.ts';
import { parseRunFlags, type RunRequest } from '../../../src/cli/run/run-flags.ts';
import { RUN_FLAGS } from '../../../src/runs/runs.ts';

const action = defineAction({ name: 'mine', description: 'Mine.', params: z.object({}), run: () => undefined });

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

  const REFUSED: readonly [string[], string][] = [
    [['--redo', 'page 3'], '--redo does a step of an earlier run again; name that run with --resume'],
    [['--resume', 'last', '--redo='], '--redo is empty.'],
    [['--session-state='], '--session-state is empty.'],
    [['--rehearse=most'], '--rehearse is "most"; write --rehearse or --rehearse=all.'],
    [['--rehearse=all', '--resume', 'last'], '--rehearse starts new runs; it cannot be used with --resume.'],
    [['--rehearse', '--no-recover'], '--rehearse shows how a run recovers from deaths; it cannot be used with'],
  ];
  for (const [args, message] of REFUSED) {
    it(`are refused with a reason: ${args.join(' ')}`, () => {
      expect(refusal(...args)).to.include(message);
    });
  }
});
