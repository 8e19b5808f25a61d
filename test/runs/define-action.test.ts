import { expect } from 'chai';
import { ActionError, ConfigError, defineAction, exitCodeOf, runAction, z } from 'webdriver-supervisor';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import { toFlag } from '../../src/core/shell-words.ts';
import { isAction, RUN_FLAGS, type RunStatus } from '../../src/runs/runs.ts';
import { rejectionOf } from '../support/rejection.ts';
import { makeTestConfig } from '../support/scripted-run.ts';

const good = { name: 'gather', description: 'Gathers.', params: z.object({}), run: () => undefined };
const define = (changes: object): unknown => defineAction({ ...good, ...changes });

describe('defineAction', () => {
  it('freezes the definition and marks it as an action', () => {
    const action = defineAction(good);
    expect(isAction(action)).to.equal(true);
    expect(Object.isFrozen(action)).to.equal(true);
    for (const other of [undefined, null, {}, 'gather', () => undefined]) expect(isAction(other)).to.equal(false);
  });

  it('accepts `effects`', () => {
    for (const effects of ['reads', 'writes', undefined])
      expect(define({ effects })).to.have.property('effects', effects);
  });

  it('refuses each missing or wrong part by name', () => {
    const wrong: [object, string][] = [
      [{ name: undefined }, '`name`'],
      [{ name: 'Two Words' }, '`name`'],
      [{ name: 'double--dash' }, '`name`'],
      [{ description: ' ' }, '`description`'],
      [{ params: {} }, '`params`'],
      [{ params: z.string() }, '`params`'],
      [{ run: undefined }, '`run`'],
      [{ baseUrl: 'https://shop.test' }, '`baseUrl`'],
      [{ owner: 'me' }, '`owner`'],
      [{ shards: [] }, '`shards`'],
      [{ prepare: {} }, '`prepare`'],
      [{ effects: 'none' }, '`effects`'],
    ];
    for (const [changes, named] of wrong) {
      expect(() => define(changes), JSON.stringify(changes)).to.throw(ActionError, named);
    }
  });

  it('refuses a parameter with the name of a flag of `run`, and names both', () => {
    for (const flag of RUN_FLAGS) {
      const parameter = flag.replace(/-(.)/g, (_match, letter: string) => letter.toUpperCase());
      expect(() => define({ params: z.object({ [parameter]: z.string() }) })).to.throw(ActionError, `--${flag}`);
    }
    expect(() => define({ params: z.object({ noRecover: z.boolean() }) })).to.throw(ActionError, '--no-recover');
  });

  it('refuses two parameters with the same flag, and one that cannot be a flag', () => {
    expect(() => define({ params: z.object({ maxPages: z.int(), max_pages: z.int() }) })).to.throw(
      ActionError,
      '"maxPages" and "max_pages" would both be the flag --max-pages',
    );
    for (const name of ['two words', '', 'é', '1st', '_x']) {
      expect(() => define({ params: z.object({ [name]: z.int() }) }), name).to.throw(ActionError, `"${name}"`);
    }
  });

  it('turns parameter names into flags', () => {
    expect(['url', 'maxPages', 'max_pages', 'page2Size'].map(toFlag)).to.deep.equal([
      'url',
      'max-pages',
      'max-pages',
      'page2-size',
    ]);
  });
});

describe('runAction: parameters', () => {
  const shape = z.object({ url: z.url(), maxPages: z.int().min(1).default(5), kind: z.enum(['a', 'b']).optional() });
  const messageOf = async (params: z.ZodObject, given: Record<string, unknown> | undefined): Promise<string> => {
    await using server = await openScriptedWebDriver();
    const action = defineAction({ ...good, params });
    const options = { output: false, config: makeTestConfig(), supervisor: { gridUrl: server.url } } as const;
    const error = await rejectionOf(runAction(action, given as Record<string, unknown>, options));
    expect(error).to.be.instanceOf(ConfigError);
    expect(server.requests, 'a browser was started').to.deep.equal([]);
    return error.message;
  };

  it('names the flag of a missing parameter', async () => {
    expect(await messageOf(shape, {}))
      .to.contain('gather')
      .and.contain('--url is missing');
  });

  it('names the flag of each wrong parameter and the reason', async () => {
    const message = await messageOf(shape, { url: 'nowhere', maxPages: 0, kind: 'c' });
    expect(message)
      .to.match(/--url: .*URL/)
      .and.match(/--max-pages: .*1/);
    expect(message).to.match(/--kind: .*"a"\|"b"/);
    expect(message.split('\n')).to.have.length(4);
  });

  it('names unknown parameters of a strict action, and its parameters', async () => {
    expect(await messageOf(z.strictObject({ url: z.string() }), { url: 'x', maxPage: 3 })).to.contain(
      '--max-page is not a parameter of it; it has --url',
    );
  });

  it('shows the message of a rule about several parameters', async () => {
    const range = z.object({ from: z.int(), to: z.int() }).refine(({ from, to }) => from < to, 'from must be below to');
    const message = await messageOf(range, { from: 2, to: 1 });
    expect(message).to.contain('from must be below to.').and.not.contain('--');
  });

  it('accepts undefined if the action has no parameters', async () => {
    expect(await messageOf(shape, undefined)).to.contain('--url is missing');
  });
});

describe('exitCodeOf', () => {
  const codes: Record<RunStatus, number> = {
    completed: 0,
    partial: 1,
    failed: 1,
    halted: 3,
    timed_out: 5,
    cancelled: 130,
  };

  for (const [status, code] of Object.entries(codes)) {
    it(`is ${code} for ${status}`, () => {
      expect(exitCodeOf({ status: status as RunStatus, error: null, sessions: 1 })).to.equal(code);
    });
  }

  it('is 2 for a failed first start and for settings that are found wrong at that time, and not for a later start', () => {
    for (const code of ['session-start-failed', 'invalid-config']) {
      const error = { code, message: '' };
      expect(exitCodeOf({ status: 'failed', error, sessions: 0 })).to.equal(2);
      expect(exitCodeOf({ status: 'failed', error, sessions: 1 })).to.equal(1);
    }
  });
});
