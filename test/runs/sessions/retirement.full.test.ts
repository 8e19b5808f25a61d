import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { defineAction, openRegistry, runAction, z, type RunOptions, type RunOutcome } from 'webdriver-supervisor';
import { openFaultSite, type FaultSite } from 'webdriver-supervisor/testing';

import { MEMORY_REGISTRY_URL } from '../../../src/registry/registry.ts';
import { localBrowser } from '../../driver/support/local-browser.ts';
import { makeTestConfig, type LogLine } from '../../support/scripted-run.ts';

/** Opens pages, counts them in a cookie and in the page's storage, and grows the memory of the page. */
const action = defineAction({
  name: 'count-pages',
  description: 'An action of a test.',
  params: z.object({ url: z.string(), megabytes: z.number(), steps: z.number() }),
  run: async ({ driver, params, step }) => {
    for (let number = 1; number <= params.steps; number += 1) {
      await step(`page ${number}`, async ({ save }) => {
        await driver.get(`${params.url}/ok`);
        const seen = await driver.executeScript<string>(
          `const seen = Number(/seen=(\\d+)/.exec(document.cookie)?.[1] ?? 0) + 1;
           document.cookie = 'seen=' + seen;
           localStorage.setItem('seen', seen);
           window.ballast = new Uint8Array(arguments[0] * 1e6).fill(1);
           return document.cookie + '; ' + localStorage.getItem('seen');`,
          params.megabytes,
        );
        save({ number, seen, title: await driver.getTitle() }, { key: `${number}` });
      });
    }
  },
});

describe('Sessions that are renewed before they die, on a real browser', () => {
  let site: FaultSite;
  let folder: string;

  before(async () => {
    site = await openFaultSite();
    folder = await mkdtemp(path.join(tmpdir(), 'retirement-'));
  });

  after(async () => {
    await site.close();
    await rm(folder, { recursive: true });
  });

  const run = async (name: string, options: RunOptions, { steps = 6, megabytes = 0 } = {}) => {
    const messages: LogLine[] = [];
    const note = (message: string, fields?: LogLine['fields']) => void messages.push({ message, fields });
    const log = { error: note, warn: note, info: note, debug: () => undefined, child: () => log };
    await using registry = await openRegistry(MEMORY_REGISTRY_URL);
    const { driverPath, browserPath } = await localBrowser();
    const outcome: RunOutcome = await runAction(
      action,
      { url: site.url, megabytes, steps },
      {
        registry,
        config: makeTestConfig(),
        output: path.join(folder, name),
        supervisor: { driverPath, browserPath },
        log,
        ...options,
      },
    );
    expect(outcome.error).to.equal(null);
    expect(outcome.deaths).to.deep.equal([]);
    const rows = await registry.sessions.list({});
    expect(rows.map(({ status }) => status)).to.deep.equal(rows.map(() => 'ended'));
    const records = await readFile(outcome.outputs['records']!, 'utf8');
    return { outcome, records, messages: messages.map(({ message }) => message).filter((one) => /session/.test(one)) };
  };

  it('give the data of an undisturbed run, with cookies and storage, after the maximum number of pages', async () => {
    // A limit that a new session exceeds is ignored, so that this run is undisturbed.
    const undisturbed = await run('undisturbed', { maxSessionMemoryMb: 1 });
    expect(undisturbed.outcome.sessions).to.equal(1);
    expect(undisturbed.messages.join()).to.match(/^A new browser session has reached \d+ MB of memory already: [^,]*$/);
    const renewed = await run('renewed', { maxPages: 2 });
    expect(renewed.outcome).to.include({ status: 'completed', sessions: 3 });
    expect(renewed.records).to.equal(undisturbed.records);
    expect(renewed.records).to.contain('seen=6; 6');
    expect(renewed.messages.filter((message) => message.endsWith('is renewed after 2 pages'))).to.have.length(2);
  });

  it('are renewed when they have grown', async () => {
    const { outcome, messages } = await run('grown', { maxSessionMemoryMb: 500 }, { steps: 2, megabytes: 400 });
    expect(outcome.sessions).to.equal(2);
    expect(messages.join()).to.match(/is renewed after \d+ MB of memory$/);
  });
});
