import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { defineAction, runAction, z, type SessionSupervisor } from 'webdriver-supervisor';
import { openFaultSite, strikeSession } from 'webdriver-supervisor/testing';

import { requireFirefox } from '../support/firefox.ts';
import { makeTestConfig } from '../support/scripted-run.ts';

interface Echo {
  readonly cookies: Readonly<Record<string, string>>;
}

describe('A run with a Firefox of this machine', () => {
  let output: string;

  before(async function () {
    await requireFirefox(this);
    output = await mkdtemp(path.join(tmpdir(), 'wds-firefox-'));
  });

  after(() => output && rm(output, { recursive: true }));

  it('has the data of an undisturbed run: items call the API side by side, and the browser is killed', async () => {
    const { FIREFOX_BINARY: firefoxBinary, GECKODRIVER: geckodriver } = process.env;
    await using site = await openFaultSite();
    let supervisor: SessionSupervisor | undefined;
    let isStruck = false;
    const numbers = Array.from({ length: 40 }, (_, index) => index + 1);
    const action = defineAction({
      name: 'firefox',
      description: 'Calls the API in items.',
      params: z.object({}),
      baseUrl: () => site.url,
      prepare: ({ driver }) => driver.get(`${site.url}/set-cookie`),
      run: async ({ driver, step, batch }) => {
        for (const page of [1, 2]) {
          await step(`page ${page}`, () => driver.get(`${site.url}/ok?page=${page}`));
          await batch(
            `items ${page}`,
            numbers,
            async (number, { api, save }) => {
              const { cookies } = await api.json<Echo>(`/echo?number=${number}`);
              if (page === 2 && number === 30 && !isStruck) {
                isStruck = true;
                await strikeSession('browser-killed', supervisor!);
              }
              save({ number, page, session: cookies['session'] ?? '' }, { key: `${page}/${number}` });
            },
            { key: String, concurrency: 10 },
          );
        }
      },
    });
    const config = makeTestConfig({ browser: 'firefox', firefoxBinary, geckodriver });
    const onSession = (opened: SessionSupervisor) => void (supervisor = opened);
    const outcome = await runAction(action, {}, { config, output, onSession });
    expect(outcome).to.include({ status: 'completed', sessions: 2 });
    expect(outcome.deaths.map(({ cause }) => cause)).to.deep.equal(['browser-gone']);
    const lines = (await readFile(outcome.outputs['records']!, 'utf8')).trim().split('\n');
    const expected = [1, 2].flatMap((page) => numbers.map((number) => ({ number, page, session: 'secret' })));
    expect(lines.map((line): unknown => JSON.parse(line))).to.deep.equal(expected);
  });
});
