import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import {
  ConfigError,
  defineAction,
  openRegistry,
  rehearseAction,
  z,
  type ActionContext,
  type ActionRehearsal,
  type Log,
  type RehearsalOptions,
} from 'webdriver-supervisor';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import { MEMORY_REGISTRY_URL } from '../../../src/registry/registry.ts';
import { rejectionOf } from '../../support/rejection.ts';
import { makeTestConfig } from '../../support/scripted-run.ts';

type Run = (context: ActionContext) => Promise<void> | void;

/** Rehearses an action, given as a function, against a WebDriver server without a browser. */
async function rehearseScripted(
  run: Run,
  { effects, ...options }: RehearsalOptions & { effects?: 'reads' | 'writes' } = {},
): Promise<ActionRehearsal> {
  await using server = await openScriptedWebDriver();
  const action = defineAction({
    name: 'scripted',
    description: 'An action of a test.',
    params: z.object({}),
    ...(effects === undefined ? {} : { effects }),
    run,
  });
  return await rehearseAction(
    action,
    {},
    { output: false, config: makeTestConfig(), ...options, supervisor: { gridUrl: server.url, ...options.supervisor } },
  );
}

const PAGES = ['1', '2', '3', '4', '5', '6', '7', '8', '9'];

/** Each page is a step of three commands. */
const goodPages: Run = async ({ driver, step }) => {
  for (const page of PAGES) {
    await step(`page ${page}`, async ({ save }) => {
      await driver.get(`http://site.test/${page}`);
      await driver.getTitle();
      save({ page, url: await driver.getCurrentUrl() }, { key: page });
    });
  }
};

describe('rehearseAction: an action that replays well', () => {
  it('survives kills inside of steps and between them, and has no differences', async () => {
    const rehearsal = await rehearseScripted(goodPages);
    expect(rehearsal.differences).to.deep.equal([]);
    expect(rehearsal.undisturbed).to.include({ status: 'completed', records: 9, sessions: 1 });
    expect(rehearsal.outcome).to.include({ status: 'completed', records: 9, sessions: 6 });
    expect(rehearsal).to.deep.include({ kills: 5, notReached: [], error: null, warnings: [] });
  });

  it('kills at the same positions each time', async () => {
    const expected = [
      'in the step "page 2" after its 2nd command',
      'after the step "page 3"',
      'in the step "page 5" after its 2nd command',
      'after the step "page 7"',
      'in the step "page 8" after its 2nd command',
    ];
    for (const _time of [1, 2, 3]) {
      expect((await rehearseScripted(goodPages)).killedAt).to.deep.equal(expected);
    }
  });

  it('disturbs each step once with the scope `all`, without the usual limit of restarts and without back-off', async () => {
    const { differences, killedAt, kills, outcome } = await rehearseScripted(goodPages, { scope: 'all' });
    expect(differences).to.deep.equal([]);
    for (const page of PAGES) {
      expect(killedAt.filter((words) => words.startsWith(`in the step "page ${page}"`))).to.have.length(1);
    }
    expect({ kills, sessions: outcome.sessions }).to.deep.equal({ kills: 11, sessions: 12 });
  });

  it('delays the next command until the kill takes effect, so that no command follows the position', async () => {
    const commands: string[][] = [];
    const rehearsal = await rehearseScripted(
      async ({ driver, step }) => {
        await step('three titles', async () => {
          const done: string[] = [];
          commands.push(done);
          for (const name of ['first', 'second', 'third']) {
            await driver.getTitle();
            done.push(name);
          }
        });
        await step('one', () => driver.getTitle());
      },
      { scope: 'all' },
    );
    expect(rehearsal.killedAt.slice(0, 2)).to.deep.equal([
      'in the step "three titles" after its 1st command',
      'after the step "three titles"',
    ]);
    expect(commands).to.deep.equal([['first', 'second', 'third'], ['first'], ['first', 'second', 'third']]);
  });

  it('kills inside of an item of a batch, with shared and with own sessions', async () => {
    const rehearsal = await rehearseScripted(
      async ({ step, batch }) => {
        await step('list', () => undefined);
        await batch('shared', ['1', '2', '3', '4'], (item, { save }) => save({ item }, { key: item }), { key: String });
        const options = { key: String, sessions: 2 };
        const titles = await batch('own', ['1', '2'], (_item, { driver }) => driver.getTitle(), options);
        expect(titles.counts).to.include({ done: 2 });
      },
      { scope: 'all' },
    );
    expect(rehearsal.differences).to.deep.equal([]);
    expect(rehearsal.notReached).to.deep.equal([]);
    for (const item of ['1', '2', '3', '4'])
      expect(rehearsal.killedAt).to.include(`at the end of the item "${item}" of batch "shared"`);
    for (const item of ['1', '2'])
      expect(rehearsal.killedAt).to.include(`in the item "${item}" of batch "own" after its 1st command`);
  });

  it('kills within the commands that belong to no step', async () => {
    const { killedAt, differences } = await rehearseScripted(async ({ driver }) => {
      await driver.getTitle();
      await driver.getCurrentUrl();
    });
    expect(killedAt).to.deep.equal(['outside of steps, before command 2 of `run`']);
    expect(differences).to.deep.equal([]);
  });

  it('does not give up a step during which many sessions are killed', async () => {
    const shorts = ['1', '2', '3', '4', '5', '6'];
    const rehearsal = await rehearseScripted(
      async ({ driver, step }) => {
        const rest = Promise.withResolvers<void>();
        const long = step('long', async () => {
          await rest.promise;
          await driver.getTitle();
        });
        for (const key of shorts) await step(key, () => driver.getTitle());
        rest.resolve();
        await long;
      },
      { scope: 'all' },
    );
    expect(rehearsal.differences).to.deep.equal([]);
    expect(rehearsal.notReached).to.deep.equal([]);
    expect(rehearsal.outcome.counts).to.include({ done: 7, failed: 0 });
    expect(rehearsal.kills).to.be.above(shorts.length);
  });

  it('distinguishes steps of the same key within two steps', async () => {
    const rehearsal = await rehearseScripted(
      async ({ driver, step }) => {
        for (const shelf of ['a', 'b']) {
          await step(shelf, async () => {
            for (const book of ['1', '2', '3', '4']) await step(book, () => driver.getTitle());
          });
        }
      },
      { scope: 'all' },
    );
    expect(rehearsal.differences).to.deep.equal([]);
    expect(rehearsal.notReached).to.deep.equal([]);
    for (const shelf of ['a', 'b']) {
      for (const book of ['1', '2', '3', '4'])
        expect(rehearsal.killedAt).to.include(`in the step "${book}" within the step "${shelf}" after its 1st command`);
    }
  });

  it('watches an action that is loaded anew after a death, too', async () => {
    await using server = await openScriptedWebDriver();
    const load = () =>
      defineAction({ name: 'mine', description: 'Mine.', params: z.object({}), run: (context) => goodPages(context) });
    const warning = { rule: 'outer-variable', file: '/mine.ts', line: 1, column: 1, message: 'a variable', call: null };
    const { kills, differences } = await rehearseAction(
      load(),
      {},
      {
        output: false,
        config: makeTestConfig(),
        supervisor: { gridUrl: server.url },
        sourceWarnings: [{ ...warning, rule: 'outer-variable', isModuleState: true }],
        reloadAction: async () => Promise.resolve(load()),
      },
    );
    expect({ kills, differences }).to.deep.equal({ kills: 5, differences: [] });
  });

  it('kills nothing if no unit of work has commands', async () => {
    const rehearsal = await rehearseScripted(() => undefined);
    expect(rehearsal).to.deep.include({ kills: 0, killedAt: [], differences: [] });
  });
});

describe('rehearseAction: an action that does not replay well', () => {
  it('names the kill, the record and a likely reason when a step uses a variable of an earlier step', async () => {
    const { differences, kills } = await rehearseScripted(async ({ step }) => {
      let token = '';
      await step('log in', () => void (token = 'secret'));
      await step('page', ({ save }) => save({ token }, { key: 'page' }));
    });
    expect(kills).to.be.above(0);
    expect(differences).to.have.length(1);
    expect(differences[0])
      .to.match(/^Killed (after|at the end of) the step "(log in|page)": record "page" is \{"token":""\} instead of/)
      .and.include('does it use what an earlier step put into a variable');
  });

  it('names the steps that were left out because a variable chose them', async () => {
    const { differences } = await rehearseScripted(async ({ step }) => {
      const pages: string[] = [];
      await step('list', () => void pages.push('1', '2'));
      for (const page of pages) await step(`page ${page}`, ({ save }) => save({ page }, { key: page }));
    });
    expect(differences).to.have.length(1);
    expect(differences[0]).to.match(
      /^Killed .* the step "list": work was left out: the step "page 1", the step "page 2"; is it chosen by a variable/,
    );
  });

  it('suspects the key of a record that is different each time', async () => {
    let number = 0;
    const { differences } = await rehearseScripted(async ({ step }) => {
      await step('a', ({ save }) => save({}, { key: `record ${number++}` }));
    });
    expect(differences.join('\n')).to.include('is the key made from a counter, a time or a random value?');
  });

  it('suspects no kill if the value differs without one', async () => {
    let number = 0;
    const { differences } = await rehearseScripted(async ({ step }) => {
      await step('time', ({ save }) => save({ at: number++ }, { key: 'time' }));
      for (const page of PAGES) await step(page, () => undefined);
    });
    expect(differences).to.have.length(1);
    expect(differences[0]).to.match(/^Record "time" is .*; no session died before its work ended, so the reason/);
  });

  it('passes on the error of the disturbed run', async () => {
    const { differences, error } = await rehearseScripted(async ({ step }) => {
      let user: { name: string } | undefined;
      await step('log in', () => void (user = { name: 'ann' }));
      await step('greet', ({ save }) => save({ name: (user as { name: string }).name }, { key: 'name' }));
    });
    expect(error?.message).to.include("reading 'name'");
    expect(differences[0]).to.match(
      /^Killed .*: the run ended as failed instead of completed with error: .*reading 'name'\)?; does the code there use/,
    );
  });

  it('names the steps that have sent a request twice, for an action that changes things', async () => {
    const server = createServer((_request, response) => response.end('{}'));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    try {
      const { differences, repeatedEffects } = await rehearseScripted(
        async ({ api, step }) => {
          await step('order', async () => void (await api.fetch(url, { method: 'POST' })));
        },
        { effects: 'writes' },
      );
      expect(repeatedEffects).to.deep.equal(['The step "order"']);
      expect(differences).to.deep.equal([
        'These steps sent again what an interrupted attempt had already sent: The step "order"; give such a step the option `whenInterrupted`, which finds out whether its work has happened.',
      ]);
    } finally {
      server.closeAllConnections();
      await once(server.close(), 'close');
    }
  });

  it('reports a run that fails without any kill as the only difference', async () => {
    const { differences, undisturbed, kills } = await rehearseScripted(() => {
      throw new Error('no such page');
    });
    expect(undisturbed.status).to.equal('failed');
    expect(differences).to.deep.equal([
      'No session was killed, because the run without deaths ended as failed: error: no such page',
    ]);
    expect(kills).to.equal(0);
  });
});

describe('rehearseAction: afterwards', () => {
  it('leaves the row of the undisturbed run, and no folder', async () => {
    await using registry = await openRegistry(MEMORY_REGISTRY_URL);
    const folders = new Set<string>();
    const { undisturbed } = await rehearseScripted(
      async ({ step, folder }) => {
        folders.add(folder);
        await step('a', () => undefined);
      },
      { registry, output: path.join(tmpdir(), `rehearsed-${process.pid}`) },
    );
    expect((await registry.runs.list({ limit: 10 })).map(({ id }) => id)).to.deep.equal([undisturbed.runId]);
    expect(folders.size).to.equal(2);
    expect([...folders].filter((folder) => existsSync(folder))).to.deep.equal([
      path.join(tmpdir(), `rehearsed-${process.pid}`),
    ]);
    expect((await readdir(tmpdir())).filter((name) => name.startsWith('rehearsal-'))).to.deep.equal([]);
  });

  it('warns before it runs an action that changes things', async () => {
    const lines: string[] = [];
    const log: Log = {
      error: () => undefined,
      warn: (message) => void lines.push(message),
      info: () => undefined,
      debug: () => undefined,
      child: () => log,
    };
    const act: Run = async ({ step }) => {
      await step('order', () => void lines.push('ordered'));
    };
    await rehearseScripted(act, { log, effects: 'writes' });
    expect(lines[0]).to.include("scripted changes things (effects: 'writes')");
    lines.length = 0;
    await rehearseScripted(act, { log });
    expect(lines.join('\n')).to.not.include('changes things');
  });

  it('refuses to resume a run', async () => {
    const options = { resume: 'last' } as RehearsalOptions;
    expect(await rejectionOf(rehearseScripted(goodPages, options))).to.be.instanceOf(ConfigError);
  });
});
