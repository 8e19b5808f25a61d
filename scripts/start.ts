/**
 * `npm start`: does the main job on the bundled demo shop with the same command that users run, and checks the gathered data.
 * `--chaos` kills the run's browser repeatedly. It never touches another process.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, parseArgs } from 'node:util';

import { ConfigError, toError } from '../src/core/errors.ts';
import { flagsKeptByNpm } from '../src/cli/terminal/command-line.ts';
import { EXIT_CANCELLED, EXIT_FAILED, reportError } from '../src/cli/terminal/report-error.ts';
import { printNote, readLogFormat } from '../src/cli/terminal/terminal.ts';
import { listenForStop } from '../src/cli/terminal/stop-signals.ts';
import type { RunOutcome } from '../src/runs/runs.ts';
import { findBrowserProcess, killProcess } from '../src/testing.ts';
import { openDemoShop, type DemoShop } from './demo-shop/demo-shop.ts';

const KILLS = 5;
const POLL_MS = 10;
const CLI = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));

process.exitCode = await main(process.argv.slice(2)).catch((thrown: unknown) =>
  reportError(thrown, { verbose: false }),
);

async function main(args: readonly string[]): Promise<number> {
  const { pages, isChaotic, isJson } = readFlags(args);
  await using shop = await openDemoShop({ pages });
  say(`The demo shop is open at ${shop.url} (${shop.expectedRecords().length} products on ${pages} pages).`);

  const command = ['run', 'gather-catalog', '--url', shop.url, '--json'];
  const run = spawn(process.execPath, [...process.execArgv, CLI, ...command], {
    stdio: ['inherit', 'pipe', 'inherit'],
  });
  // Ctrl+C in a terminal reaches the run too, which treats both signals as one. All other signals have to be passed on.
  const unlisten = listenForStop({
    onStop: (signal) => void run.kill(signal),
    // The run's watchdog ends the browser.
    onKill: () => {
      run.kill('SIGKILL');
      process.exit(EXIT_CANCELLED);
    },
  });
  const ended = new AbortController();
  const chaos = isChaotic ? killBrowsers(run, { shop, signal: ended.signal }) : undefined;
  try {
    const { outcome, exitCode } = await waitForOutcome(run);
    ended.abort();
    const kills = await chaos;
    if (outcome !== undefined && isJson) process.stdout.write(`${JSON.stringify(outcome)}\n`);
    if (outcome !== undefined && kills !== undefined) printRecoveries(kills, outcome);
    if (exitCode !== 0) say('The demo shop is closed. npm start opens it again.');
    if (outcome === undefined || exitCode !== 0) return exitCode;
    return await verify(outcome, shop);
  } finally {
    ended.abort();
    unlisten();
  }
}

function readFlags(args: readonly string[]): { pages: number; isChaotic: boolean; isJson: boolean } {
  const usage = 'Usage: npm start -- [--chaos] [--pages N] [--json]';
  const [kept] = flagsKeptByNpm(['chaos', 'pages'], { args });
  if (kept !== undefined) throw new ConfigError(`npm kept --${kept} for itself; put -- before it. ${usage}`);
  const options = {
    chaos: { type: 'boolean' },
    pages: { type: 'string', default: '25' },
    json: { type: 'boolean' },
  } as const;
  try {
    const { values } = parseArgs({ args: [...args], options });
    const pages = Number(values.pages);
    if (!Number.isInteger(pages) || pages < 1)
      throw new ConfigError(`--pages is "${values.pages}"; it must be a whole number of at least 1.`);
    return { pages, isChaotic: values.chaos === true, isJson: values.json === true };
  } catch (thrown) {
    throw new ConfigError(`${toError(thrown).message.replace(/\.?$/, '.')} ${usage}`, { cause: thrown });
  }
}

/** Returns the outcome, which is the last line that the run prints to stdout. If there is none, the run was refused and has printed why. */
async function waitForOutcome(run: ChildProcess): Promise<{ outcome: RunOutcome | undefined; exitCode: number }> {
  let output = '';
  run.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code, signal] = (await once(run, 'close')) as [number | null, NodeJS.Signals | null];
  const lastLine = output.trim().split('\n').at(-1) ?? '';
  return {
    outcome: lastLine.startsWith('{') ? (JSON.parse(lastLine) as RunOutcome) : undefined,
    exitCode: code ?? 128 + constants.signals[signal ?? 'SIGKILL'],
  };
}

/** Compares the data file exactly with the shop's products. */
async function verify({ outputs }: RunOutcome, shop: DemoShop): Promise<number> {
  const file = outputs['records'] ?? '';
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
  const records = lines.map((line): unknown => JSON.parse(line));
  const expected = shop.expectedRecords();
  if (isDeepStrictEqual(records, expected)) {
    say(`${records.length} records, all correct and unique: ${file}`);
    return 0;
  }
  const wrong = expected.filter((record, index) => !isDeepStrictEqual(records[index], record)).length;
  say(
    `The data is wrong: ${records.length} records instead of ${expected.length}, ${wrong} missing or different from the shop's: ${file}`,
  );
  return EXIT_FAILED;
}

interface Kill {
  readonly pid: number;
  readonly productsBefore: number;
  readonly at: number;
  /** The time when the next browser opened the shop; undefined if none did. */
  readonly recoveredAt: number | undefined;
}

/** Kills the run's browser at even intervals of its work. Other processes send no events, so this polls every 10 ms. */
async function killBrowsers(
  run: ChildProcess,
  { shop, signal }: { shop: DemoShop; signal: AbortSignal },
): Promise<Kill[]> {
  const kills: Kill[] = [];
  const products = shop.expectedRecords().length;
  const until = async <Value>(look: () => Value | undefined): Promise<Value | undefined> => {
    for (let found = look(); !signal.aborted; found = look()) {
      if (found !== undefined) return found;
      await delay(POLL_MS);
    }
    return undefined;
  };
  for (let number = 1; number <= KILLS && !signal.aborted; number += 1) {
    await until(() => shop.requests.details >= (products * number) / (KILLS + 1) || undefined);
    const browser = await until(() => findBrowserProcess(run.pid ?? 0));
    if (browser === undefined || signal.aborted) break;
    const { details: productsBefore, welcome: welcomesBefore } = shop.requests;
    const at = Date.now();
    if (!killProcess(browser.pid)) continue;
    sayAside(`chaos: killed the browser (pid ${browser.pid})`);
    // Each session first opens the welcome page.
    const recoveredAt = await until(() => (shop.requests.welcome > welcomesBefore ? Date.now() : undefined));
    kills.push({ pid: browser.pid, productsBefore, at, recoveredAt });
  }
  return kills;
}

function printRecoveries(kills: readonly Kill[], { deaths, sessions }: RunOutcome): void {
  for (const [index, { pid, productsBefore, at, recoveredAt }] of kills.entries()) {
    const death = deaths[index];
    const seen =
      death === undefined
        ? 'its death was not seen'
        : `${death.cause}, seen by ${death.detectedBy} after ${Math.max(0, Date.parse(death.at) - at)} ms`;
    const back = recoveredAt === undefined ? 'no session after it' : `back at work after ${recoveredAt - at} ms`;
    say(`chaos: kill ${index + 1} (pid ${pid}, ${productsBefore} products asked for): ${seen}; ${back}`);
  }
  const recoveries = kills.filter(({ recoveredAt }) => recoveredAt !== undefined).length;
  say(`chaos: ${kills.length} kills, ${deaths.length} deaths, ${recoveries} recoveries, ${sessions} browser sessions`);
}

/** Prints to stderr, because with `--json` stdout is only for the outcome. */
function say(line: string): void {
  printNote(`${line}\n`);
}

/** Prints while the run's progress bar is on the terminal's last line: clears that line first; the run draws the bar again below. */
function sayAside(line: string): void {
  if (process.stderr.isTTY && readLogFormat() === 'text') process.stderr.write('\r\u001b[K');
  say(line);
}
