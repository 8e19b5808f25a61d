import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { expect } from 'chai';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';
import { logging } from 'selenium-webdriver';
import { SessionSupervisor } from 'webdriver-supervisor';

import { MEMORY_REGISTRY_URL, openRegistry } from '../../../src/registry/registry.ts';
import { renderRecording } from '../../../src/runs/reports/reports.ts';
import { renderRunReport } from '../../../src/runs/reports/run-report.ts';
import { makeDeath } from '../../support/make-death.ts';
import { runScripted } from '../../support/scripted-run.ts';
import { before as secondsBefore, makeRecording } from './make-recording.ts';
import { makeReport } from './make-report.ts';

const AXE = readFileSync(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
const FIND_VIOLATIONS =
  'axe.run().then(({ violations }) => arguments[0](violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`)))';
/** A grey picture of 1 × 1 pixels. */
const JPEG =
  '/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA=';
const LONG = `https://shop.test/${'very-long-path-without-spaces'.repeat(12)}?q=${'x'.repeat(60)}`;
const HOSTILE = `<img src=x onerror="document.title='owned'">${LONG}`;

interface DevTools {
  sendDevToolsCommand(name: string, parameters: object): Promise<void>;
}

describe('The pages of reports, in a real browser', () => {
  let folder: string;

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'reports-'));
  });

  after(() => rmSync(folder, { recursive: true }));

  for (const [name, render, headings] of [
    [
      'report of a run',
      makeFullReport,
      ['Root cause', 'Over time', 'Deaths', 'Steps and items', 'Records and files', 'Parameters and settings'],
    ],
    [
      'recording',
      makeFullRecording,
      ['Cause', 'The last seconds', 'Pictures', 'Commands', 'Pages', 'Console', 'Failed requests'],
    ],
  ] as const)
    it(`are complete, accessible and not wider than the window, whatever their texts are: ${name}`, async () => {
      const file = path.join(folder, `${name}.html`);
      writeFileSync(file, render());
      await using supervisor = await SessionSupervisor.start();
      const { driver } = supervisor;
      const devTools = driver as unknown as DevTools;
      for (const [width, scheme] of [
        [1280, 'light'],
        [390, 'dark'],
      ] as const) {
        const features = [{ name: 'prefers-color-scheme', value: scheme }];
        await devTools.sendDevToolsCommand('Emulation.setEmulatedMedia', { features });
        const size = { width, height: 900, deviceScaleFactor: 1, mobile: false };
        await devTools.sendDevToolsCommand('Emulation.setDeviceMetricsOverride', size);
        await driver.get(pathToFileURL(file).href);
        const texts: string[] = await driver.executeScript(
          'return [...document.querySelectorAll("h2")].map((heading) => heading.firstChild.textContent)',
        );
        expect(texts).to.include.members([...headings]);
        await driver.executeScript('for (const part of document.querySelectorAll("details")) part.open = true');
        expect(
          await driver.executeScript(
            'return document.documentElement.scrollWidth <= document.documentElement.clientWidth',
          ),
        ).to.equal(true);
        await driver.executeScript(AXE);
        expect(await driver.executeAsyncScript(FIND_VIOLATIONS), `${width} px, ${scheme}`).to.deep.equal([]);
      }
      expect(await driver.getTitle()).to.not.equal('owned');
      const entries = await driver.manage().logs().get(logging.Type.BROWSER);
      expect(entries.map(({ message }) => message)).to.deep.equal([]);
    });

  const save = async ({ step }: Parameters<Parameters<typeof runScripted>[0]['run']>[0]) => {
    await step('one', ({ save: saveRecord }) => saveRecord({ title: 'Oak table' }, { key: 'one' }));
    await step('two', () => Promise.reject(new Error('not there'))).catch(() => undefined);
  };

  it('are written at the end of a run, again at the end of a resumed one, and stay if a completed run is resumed', async () => {
    const output = path.join(folder, 'reported');
    await using registry = await openRegistry(MEMORY_REGISTRY_URL);
    const { outcome } = await runScripted({ run: save, options: { output, registry } });
    const file = path.join(output, 'report.html');
    expect(outcome).to.deep.include({ status: 'partial', report: file, warnings: [] });
    const page = readFileSync(file, 'utf8');
    for (const text of [
      'scripted ended with failures',
      'Oak table',
      'not there',
      'href="records.jsonl"',
      outcome.runId,
    ])
      expect(page).to.include(text);
    expect((statSync(file).mode & 0o777).toString(8)).to.equal('600');

    const resumed = { output, registry, resume: outcome.runId };
    const run: typeof save = async (context) => {
      await context.step('one', () => undefined);
      await context.step('two', () => undefined);
    };
    const second = await runScripted({ run, options: resumed });
    expect(second.outcome).to.deep.include({ status: 'completed', report: file, warnings: [] });
    const again = readFileSync(file, 'utf8');
    for (const text of ['scripted completed', 'Oak table', 'since it was resumed', '2 = 2 done'])
      expect(again).to.include(text);
    expect(again).not.to.include('not there');

    const third = await runScripted({ run, options: resumed });
    expect(third.outcome).to.deep.include({ status: 'completed', report: file });
    expect(readFileSync(file, 'utf8')).to.equal(again);
  });

  it('are not written if the run has `report: false`, or no files', async () => {
    const output = path.join(folder, 'silent');
    const { outcome } = await runScripted({ run: save, options: { output, report: false } });
    expect(outcome.report).to.equal(null);
    expect(existsSync(path.join(output, 'records.jsonl'))).to.equal(true);
    expect(existsSync(path.join(output, 'report.html'))).to.equal(false);
    expect((await runScripted({ run: save })).outcome.report).to.equal(null);
  });

  it('are written also if no session could be started, and are a warning if they cannot be written', async () => {
    await using server = await openScriptedWebDriver({
      answers: { 'POST /session': { error: 'session not created', message: 'There is no browser.' } },
    });
    const unstarted = await runScripted({ run: save, server, options: { output: path.join(folder, 'unstarted') } });
    expect(unstarted.outcome).to.include({ status: 'failed', sessions: 0 });
    expect(readFileSync(unstarted.outcome.report!, 'utf8')).to.include('session-start-failed');
    const output = path.join(folder, 'gone');
    const { outcome } = await runScripted({ run: () => rmSync(output, { recursive: true }), options: { output } });
    expect(outcome).to.include({ status: 'completed', report: null });
    expect(outcome.warnings.join()).to.match(/report\.html could not be written: ENOENT/);
  });

  it('do not replace a file of the user, which is a warning of the outcome', async () => {
    const output = path.join(folder, 'taken');
    await runScripted({ run: save, options: { output } });
    const file = path.join(output, 'report.html');
    writeFileSync(file, '<h1>My own page</h1>');
    const { outcome } = await runScripted({ run: () => undefined, options: { output } });
    expect(outcome).to.include({ status: 'completed', report: null });
    expect(outcome.warnings.join()).to.match(/report\.html is not a report of this program.*--no-report/);
    expect(readFileSync(file, 'utf8')).to.equal('<h1>My own page</h1>');
  });
});

function makeFullReport(): string {
  const deaths = Array.from({ length: 5 }, (_none, index) =>
    makeDeath({
      at: `2026-11-20T18:15:${index}5.000Z`,
      evidence: { message: HOSTILE, url: LONG, lastCommands: [LONG, 'POST /url 200 3ms'] },
      diagnosis: { reason: 'out-of-memory', confidence: 'certain', evidence: [HOSTILE], advice: LONG },
    }),
  );
  return renderRunReport(
    makeReport(
      {
        failedSteps: Array.from({ length: 12 }, () => ({
          ...{ batch: LONG, key: LONG },
          ...{ code: 'action-error', message: HOSTILE },
        })),
        samples: [
          { dataset: 'narrow', records: 9, first: [JSON.stringify({ title: HOSTILE, url: LONG })] },
          {
            dataset: LONG,
            records: 9,
            first: [JSON.stringify(Object.fromEntries(Array.from(LONG, (letter) => [letter, LONG])))],
          },
        ],
        recordings: new Map(deaths.map(({ at }) => [at, 'deaths/1/report.html'])),
        params: { url: LONG, [LONG]: LONG },
        settings: [true, false].map((isDefault) => ({ name: 'COMMAND_TIMEOUT_SECONDS', value: LONG, isDefault })),
        next: `npm run action -- gather --url ${LONG}`,
      },
      {
        ...{ status: 'halted', deaths, sessions: 6, warnings: [HOSTILE], repeatedEffects: [LONG], owner: LONG },
        counts: { total: 20, done: 8, failed: 12, cancelled: 0, skipped: 0 },
        error: { code: 'restart-limit', message: HOSTILE },
      },
    ),
  );
}

function makeFullRecording(): string {
  const seconds = Array.from({ length: 20 }, (_none, index) => 19.5 - index);
  return renderRecording(
    makeRecording({
      commands: [
        ...seconds.flatMap((second) =>
          Array.from({ length: 4 }, (_none, nth) => ({
            ...{ at: secondsBefore(second - nth / 30), label: 'POST /element/{id}/click' },
            ...{ outcome: nth === 3 ? '404 no such element' : '200', durationMs: 40 + 10 * nth },
          })),
        ),
        { at: secondsBefore(2), label: 'POST /execute/sync', outcome: 'unanswered', durationMs: null },
      ],
      navigations: seconds
        .filter((_second, index) => index % 4 === 0)
        .map((at) => ({ at: secondsBefore(at), url: LONG })),
      console: seconds.map((at, index) => ({
        ...{ at: secondsBefore(at), level: ['info', 'warning', 'error'][index % 3]! },
        text: HOSTILE,
      })),
      failedRequests: seconds.map((at) => ({
        at: secondsBefore(at),
        url: LONG,
        status: null,
        error: 'net::ERR_CONNECTION_RESET',
      })),
      samples: seconds.map((at, index) => ({
        ...{ at: secondsBefore(at), memoryBytes: 4e8 + 5e7 * index },
        ...{ cpuPercent: index === 0 ? null : 5 * index, processes: 9 },
      })),
      pictures: seconds.map((at) => ({ at: secondsBefore(at), jpeg: JPEG })),
    }),
  );
}
