/** The `smoke` command: checks pages, prints a line for each, writes JUnit XML for a CI service, and returns an exit code. */
import { constants, existsSync } from 'node:fs';
import { access, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { Command } from 'commander';

import { loadConfig, type Config } from '../../config/config.ts';
import { CancelledError, ConfigError, InvariantError, toError } from '../../core/errors.ts';
import { makeFolder } from '../../core/folders.ts';
import { makeLog } from '../../core/log.ts';
import { toPlainLine } from '../../core/plain-text.ts';
import { exitCodeOf, findReports, isAction, prepareRun, type Action, type RunOutcome } from '../../runs/runs.ts';
import { assertBrowserFits } from '../doctor/check-browser.ts';
import { commandLine } from '../terminal/command-line.ts';
import { toHtmlReport } from './html-report.ts';
import { toJunitXml } from './junit-xml.ts';
import { describeResults, type PageResult } from './page-results.ts';
import { openProgress } from '../terminal/progress-display.ts';
import { EXIT_CANCELLED } from '../terminal/report-error.ts';
import { toWhole } from '../terminal/whole-number.ts';
import { listenForStop } from '../terminal/stop-signals.ts';
import { printJson, printNote, printResult } from '../terminal/terminal.ts';

interface SmokeFlags {
  readonly junit?: string;
  readonly html?: string;
  readonly retries?: string;
  readonly loadSeconds?: string;
  readonly ignore?: readonly string[];
  readonly json?: boolean;
  readonly headed?: boolean;
  readonly grid?: string;
  readonly wait?: string;
  readonly output?: string;
  readonly verbose?: boolean;
}

interface Pages {
  readonly urls: readonly string[];
  /** Links that need not answer. */
  readonly ignore: readonly string[];
}

const MAX_RETRIES = 10;
const MAX_LOAD_SECONDS = 600;
const MAX_WAIT_SECONDS = 86_400;

const DEMO_PAGES = ['/', '/catalog?page=1', '/about', '/shipping', '/contact'];
const DEMO_SHOP = fileURLToPath(new URL('../../../scripts/demo-shop/demo-shop.ts', import.meta.url));
/** The bundled action: beside `src`, or in the built package inside `dist`. */
const SMOKE_ACTION = new URL(
  import.meta.url.endsWith('.ts') ? '../../../actions/smoke.ts' : '../../actions/smoke.js',
  import.meta.url,
);

export function makeSmokeCommand(): Command {
  return new Command('smoke')
    .summary('check that pages load, with a title, no console errors and links that answer')
    .description(
      'Opens each page in the browser and checks that it loads, has a title, no console errors and no dialogs, and that its links within the ' +
        'same site answer. Failures are shown with a screenshot. Without URLs it checks the bundled demo shop.',
    )
    .argument('[urls...]', 'the pages, as full URLs')
    .option('--junit <file>', 'also write the results as JUnit XML')
    .option('--html <file>', 'also write the results as an HTML page, with a picture of each checked page')
    .option('--retries <number>', 'how often a failed page is checked again (default: 0)')
    .option('--load-seconds <seconds>', 'how long a page may take to load (default: 30)')
    .option('--ignore <links...>', 'links that need not answer, by URL or path')
    .option('--json', 'print the outcome and its pages as one line of JSON')
    .option('--headed', 'show the browser')
    .option('--grid <url>', 'use this Selenium Grid or running driver')
    .option('--wait <seconds>', 'how long to wait for a Grid that is not up')
    .option('--output <dir>', 'where results and screenshots go (default: output/<run id>)')
    .option('--verbose', 'log more, and show where errors come from')
    .addHelpText(
      'after',
      '\nExit codes: 0 all pages passed, 1 some failed, 2 wrong usage or no browser, 3 the browser died too often, 130 cancelled.\n' +
        `\nExample:\n  ${commandLine('smoke', 'https://example.com/ https://example.com/about --junit smoke.xml')}`,
    )
    .action(async (urls: string[], flags: SmokeFlags) => {
      process.exitCode = await smoke(urls, flags);
    });
}

async function smoke(given: readonly string[], flags: SmokeFlags): Promise<number> {
  for (const url of given) validateUrl(url);
  if (given.length > 0) return smokePages({ urls: given, ignore: flags.ignore ?? [] }, flags);
  if (!existsSync(DEMO_SHOP))
    throw new ConfigError(`Name the pages to check, such as: ${commandLine('smoke', 'https://example.com/')}`);
  const demo = (await import(pathToFileURL(DEMO_SHOP).href)) as DemoShopModule;
  await using shop = await demo.openDemoShop();
  printNote(
    'No page was named, so this checks the bundled demo shop (and ignores its link to /clearance, broken on purpose).\n',
  );
  return await smokePages(
    { urls: DEMO_PAGES.map((page) => shop.url + page), ignore: ['/clearance', ...(flags.ignore ?? [])] },
    flags,
  );
}

async function smokePages({ urls, ignore }: Pages, flags: SmokeFlags): Promise<number> {
  const config = loadConfig({ flags: { GRID_URL: flags.grid, ...(flags.headed ? { HEADLESS: false } : {}) } });
  const params = {
    urls,
    ignore,
    ...(flags.retries !== undefined && { retries: toWhole('--retries', flags.retries, { min: 0, max: MAX_RETRIES }) }),
    ...(flags.loadSeconds !== undefined && {
      loadSeconds: toWhole('--load-seconds', flags.loadSeconds, { min: 1, max: MAX_LOAD_SECONDS }),
    }),
    ...(flags.html !== undefined && { screenshots: 'all' }),
  };
  for (const flag of ['junit', 'html'] as const) {
    const file = flags[flag];
    if (file !== undefined) await assertWritable(file, `--${flag}`);
  }
  await assertBrowserFits(config);
  const action = await loadSmokeAction();
  const startedAt = new Date();
  const outcome = await runSmoke(action, { params, config, flags });
  const results = await readResults(outcome);
  const unchecked = [...new Set(urls)].filter((url) => !results.some((result) => result.url === url));
  const reason = outcome.error?.message ?? 'not checked';
  const facts = {
    startedAt,
    durationMs: outcome.durationMs,
    deaths: outcome.deaths,
    recordings: outcome.report === null ? [] : (await findReports(path.dirname(outcome.report))).recordings,
    unchecked: { urls: unchecked, reason },
  };
  if (flags.junit !== undefined) await writeFile(flags.junit, toJunitXml(results, facts));
  if (flags.html !== undefined) await writeFile(flags.html, await toHtmlReport(results, facts));
  report(results, { unchecked, outcome, print: flags.json ? printNote : printResult });
  if (flags.json) printJson({ ...outcome, pages: results });
  if (outcome.status !== 'completed') return exitCodeOf(outcome);
  return results.every(({ passed }) => passed) ? 0 : 1;
}

async function runSmoke(
  action: Action,
  { params, config, flags }: { readonly params: object; readonly config: Config; readonly flags: SmokeFlags },
): Promise<RunOutcome> {
  const stop = new AbortController();
  const display = openProgress();
  const unlisten = listenForStop({
    onStop: () => stop.abort(new CancelledError('The smoke test was cancelled.')),
    onKill: () => process.exit(EXIT_CANCELLED),
  });
  try {
    const options = {
      config,
      signal: stop.signal,
      log: makeLog({
        level: flags.verbose ? 'debug' : 'warn',
        format: config.logFormat,
        write: (line) => display.print(line),
      }),
      // The test looks for broken links: ten in a row are ten findings and must not stop the run.
      supervisor: { criticalFailureThreshold: Number.MAX_SAFE_INTEGER },
      ...(flags.wait !== undefined && {
        waitMs: toWhole('--wait', flags.wait, { min: 0, max: MAX_WAIT_SECONDS }) * 1_000,
      }),
      ...(flags.output === undefined ? {} : { output: flags.output }),
    };
    const run = await prepareRun(action, params, options);
    display.watch(() => run.progress);
    return await run.execute();
  } finally {
    display.stop();
    unlisten();
  }
}

function report(
  results: readonly PageResult[],
  { unchecked, outcome, print }: { unchecked: readonly string[]; outcome: RunOutcome; print: (text: string) => void },
): void {
  // Console messages of pages can contain any characters.
  const write = (line: string) => print(`${toPlainLine(line)}\n`);
  if (outcome.error !== null) write(outcome.error.message);
  for (const { url, passed, problems, loadMs, screenshot, attempts } of results) {
    const again = attempts > 1 ? `  (checked ${attempts} times)` : '';
    write(passed ? `ok      ${url}  (${loadMs} ms)${again}` : `FAILED  ${url}${again}`);
    for (const problem of problems) write(`          ${problem}`);
    if (screenshot !== null && !passed) write(`          screenshot: ${screenshot}`);
  }
  for (const url of unchecked) write(`-       ${url}  (not checked)`);
  write(describeResults(results, unchecked));
}

async function readResults({ outputs }: RunOutcome): Promise<PageResult[]> {
  if (outputs['smoke'] === undefined) return [];
  const lines = (await readFile(outputs['smoke'], 'utf8')).split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as PageResult);
}

async function loadSmokeAction(): Promise<Action> {
  const module = (await import(SMOKE_ACTION.href)) as { default?: unknown };
  if (!isAction(module.default)) throw new InvariantError(`${SMOKE_ACTION.pathname} exports no action.`);
  return module.default;
}

function validateUrl(url: string): void {
  if (URL.canParse(url) && /^(https?|file):$/.test(new URL(url).protocol)) return;
  throw new ConfigError(`"${url}" is not the URL of a page. Give the full URL, such as https://example.com/.`);
}

/** Throws `ConfigError` before a browser starts, so that an unwritable report does not fail after the work. */
async function assertWritable(file: string, flag: string): Promise<void> {
  const folder = path.dirname(file);
  try {
    // The report is for other users, such as a CI service.
    await makeFolder(folder, { mode: 0o777 });
    await access(existsSync(file) ? file : folder, constants.W_OK);
  } catch (thrown) {
    throw new ConfigError(`${file} can't be written: ${toError(thrown).message}. Choose another file with ${flag}.`, {
      cause: thrown,
    });
  }
}

/** The used exports of `scripts/demo-shop`, whose types can't be imported because it is not part of the built package. */
interface DemoShopModule {
  openDemoShop(): Promise<AsyncDisposable & { readonly url: string }>;
}
