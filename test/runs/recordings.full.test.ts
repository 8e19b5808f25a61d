import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import {
  defineAction,
  runAction,
  z,
  type ActionContext,
  type Log,
  type RunOptions,
  type SessionSupervisor,
} from 'webdriver-supervisor';
import { killProcess } from 'webdriver-supervisor/testing';

import { recordingSchema, type Recording } from '../../src/model/recording.ts';
import { makeTestConfig } from '../support/scripted-run.ts';

const PASSWORD = 'open-sesame-1';
const PAGE = `<!doctype html><title>shop</title><h1>The shop</h1><script>
  console.log('ready', 1);
  console.warn('the password is ${PASSWORD}');
  fetch('/missing?token=abcdefghij').catch(() => undefined);
</script>`;

describe('The recordings of a run, on a real browser', () => {
  let site: Server;
  let url: string;
  let folder: string;

  before(async () => {
    site = createServer((request, response) => {
      if (request.url?.startsWith('/missing')) response.statusCode = 404;
      response.setHeader('content-type', 'text/html').end(request.url === '/' ? PAGE : '');
    });
    await once(site.listen(0, '127.0.0.1'), 'listening');
    url = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
  });

  after(async () => {
    site.closeAllConnections();
    await once(site.close(), 'close');
  });

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'recordings-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  /** Runs an action given as a function. `kill` kills the browser and resolves when its death is declared. */
  const run = (
    work: (
      context: ActionContext,
      stage: { readonly entry: number; readonly kill: () => Promise<void> },
    ) => Promise<void>,
    options: RunOptions = {},
  ) => {
    let supervisor: SessionSupervisor | undefined;
    let entry = 0;
    const kill = async () => {
      const { signal, pids } = supervisor!;
      const died = once(signal, 'abort');
      killProcess(pids.browser!);
      await died;
    };
    const action = defineAction({
      name: 'recorded',
      description: 'An action of a test.',
      params: z.object({ password: z.string() }),
      run: (context) => work(context, { entry: (entry += 1), kill }),
    });
    return runAction(
      action,
      { password: PASSWORD },
      {
        output: folder,
        ...options,
        config: makeTestConfig({ registryUrl: `sqlite:${path.join(folder, 'registry.db')}` }),
        onSession: (started) => (supervisor ??= started),
      },
    );
  };

  const deaths = () => (existsSync(path.join(folder, 'deaths')) ? readdirSync(path.join(folder, 'deaths')).sort() : []);
  const fileOf = (number: number) => path.join(folder, 'deaths', String(number), 'recording.json');
  const read = (number: number): Recording => recordingSchema.parse(JSON.parse(readFileSync(fileOf(number), 'utf8')));

  it('show the commands, pages, messages, failed requests, processes and pictures before a death', async () => {
    const outcome = await run(async ({ driver, step }, { entry, kill }) => {
      await step('open', async () => {
        await driver.get(url);
        // Within this time the recorder has taken samples and a picture.
        await driver.wait(() => driver.executeScript('return performance.now() > 4_000'));
        if (entry === 1) await kill();
      });
    });
    expect(outcome).to.include({ status: 'completed', sessions: 2 });
    expect(deaths()).to.deep.equal(['1']);
    const [death] = outcome.deaths;
    const recording = read(1);
    expect(recording).to.include({ at: death!.at, failure: null, epoch: 1 });
    expect(recording.death).to.include({ cause: 'browser-gone', at: death!.at });
    expect(recording.browser).to.match(/^chrome \d+\./);
    expect(recording.seconds).to.be.within(4, 20);
    expect(recording.commands.map(({ label }) => label)).to.include.members(['POST /url', 'POST /execute/sync']);
    expect(recording.commands.find(({ label }) => label === 'POST /url')).to.include({ outcome: '200' });
    expect(recording.navigations.map((navigation) => navigation.url)).to.include(url);
    expect(recording.console.map(({ level, text }) => [level, text])).to.deep.equal([
      ['log', 'ready 1'],
      ['warning', 'the password is ***'],
    ]);
    const [request] = recording.failedRequests;
    expect(request).to.deep.include({ url: `${url}missing?token=***`, status: 404, error: null });
    expect(recording.samples.length).to.be.at.least(3);
    expect(recording.samples[0]).to.include({ cpuPercent: null });
    for (const { memoryBytes, processes } of recording.samples) {
      expect(memoryBytes).to.be.above(20_000_000);
      expect(processes).to.be.above(3);
    }
    expect(recording.pictures.length).to.be.at.least(1);
    const jpeg = Buffer.from(recording.pictures[0]!.jpeg, 'base64');
    expect(jpeg.subarray(0, 3).toString('hex')).to.equal('ffd8ff');
    expect(readFileSync(fileOf(1), 'utf8')).to.not.contain(PASSWORD);
    expect((statSync(fileOf(1)).mode & 0o777).toString(8)).to.equal('600');
    const page = readFileSync(path.join(path.dirname(fileOf(1)), 'report.html'), 'utf8');
    expect(page).to.include('href="recording.json"').and.include('>the password is ***<').and.not.contain(PASSWORD);
    expect(readFileSync(outcome.report!, 'utf8')).to.include('href="deaths/1/report.html"').and.not.contain(PASSWORD);
    expect((statSync(path.dirname(fileOf(1))).mode & 0o777).toString(8)).to.equal('700');
  });

  it('have the next free number, also in a resumed run', async () => {
    const stop = new AbortController();
    const first = await run(
      async ({ driver, step }, { entry, kill }) => {
        await step('open', () => driver.get(url));
        if (entry === 1) await kill();
        stop.abort();
        await driver.getTitle();
      },
      { signal: stop.signal },
    );
    expect(first).to.include({ status: 'cancelled' });
    expect(deaths()).to.deep.equal(['1']);
    const before = readFileSync(fileOf(1));
    const second = await run(
      async ({ driver, step }, { entry, kill }) => {
        await step('open', () => driver.get(url));
        await step('read', () => driver.getTitle());
        if (entry === 1) await kill();
      },
      { resume: 'last' },
    );
    expect(second).to.include({ status: 'completed' });
    expect(deaths()).to.deep.equal(['1', '2']);
    expect(readFileSync(fileOf(1))).to.deep.equal(before);
    expect(read(2).death?.at).to.equal(second.deaths.at(-1)!.at);
  });

  it('show a failed step once, after its last attempt, also if it is a part of another step', async () => {
    const outcome = await run(async ({ driver, step }) => {
      await step('outer', async () => {
        await step('inner', async () => driver.findElement({ css: '#absent' }), { retries: 1 });
      }).catch(() => undefined);
    });
    expect(outcome).to.include({ status: 'partial' });
    expect(deaths()).to.deep.equal(['1']);
    const { death, failure, commands } = read(1);
    expect(death).to.equal(null);
    expect(failure?.step).to.equal('the step "inner"');
    expect(failure?.message).to.contain('#absent');
    expect(commands.filter(({ label }) => label === 'POST /element')).to.have.length(2);
  });

  it('are written at the end of the run with `always`', async () => {
    await run(async ({ driver }) => driver.get(url), { record: 'always' });
    expect(deaths()).to.deep.equal(['1']);
    const recording = read(1);
    expect(recording).to.include({ death: null, failure: null });
    expect(recording.navigations.map((navigation) => navigation.url)).to.include(url);
  });

  it('are not written with `off`, and not if the run writes no files', async () => {
    for (const options of [{ record: 'off' }, { output: false }] as const) {
      const outcome = await run(async (_context, { entry, kill }) => {
        if (entry === 1) await kill();
      }, options);
      expect(outcome).to.include({ status: 'completed', sessions: 2 });
      expect(deaths()).to.deep.equal([]);
    }
  });

  it('don’t affect the run if they can’t be written', async () => {
    writeFileSync(path.join(folder, 'deaths'), 'a file');
    const warnings: string[] = [];
    const ignore = () => undefined;
    const warn = (message: string) => void warnings.push(message);
    const log: Log = { error: ignore, info: ignore, debug: ignore, warn, child: () => log };
    const outcome = await run(
      async ({ driver, step }, { entry, kill }) => {
        await step('fail', () => driver.findElement({ css: '#absent' })).catch(() => undefined);
        if (entry === 1) await kill();
      },
      { log },
    );
    expect(outcome).to.include({ status: 'partial', sessions: 2 });
    expect(warnings.filter((message) => message.startsWith('Recordings could not be written'))).to.have.length(1);
  });
});
