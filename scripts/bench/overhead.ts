/** Measures the halt flag, and a command and a session start, each beside the same without supervision. */
import { Builder, WebDriver } from 'selenium-webdriver';
import chrome from 'selenium-webdriver/chrome.js';
import { SessionSupervisor } from 'webdriver-supervisor';

import { inTurns, ms, type Row } from './measure.ts';

const FLAG_READS = 5_000_000;
const COMMANDS = 1_500;
const STARTS = 15;

export interface BrowserPaths {
  readonly browserPath: string;
  readonly driverPath: string;
}

export function measureHaltFlag(supervisor: SessionSupervisor): Row {
  let halted = 0;
  for (let round = 0; round < FLAG_READS / 10; round += 1) halted += Number(supervisor.shouldHaltOperations());
  const startedAt = performance.now();
  for (let round = 0; round < FLAG_READS; round += 1) halted += Number(supervisor.shouldHaltOperations());
  const ns = ((performance.now() - startedAt) * 1e6) / FLAG_READS;
  if (halted !== 0) throw new Error('the flag of a live session was set');
  return { what: 'consult the halt flag', measured: `${ns.toFixed(1)} ns`, goal: '≤ 20 ns', isMet: ns <= 20 };
}

/** Measures clients of one session in turns: plain selenium twice (A/A, which shows the noise) and the supervised client. */
export async function measureCommands(paths: BrowserPaths): Promise<Row[]> {
  const service = new chrome.ServiceBuilder(paths.driverPath).build();
  const url = await service.start();
  const bare = chrome.Driver.createSession(chromeOptions(paths), service) as unknown as WebDriver;
  try {
    const session = await bare.getSession();
    const { map_ } = session.getCapabilities() as unknown as { map_: Map<string, unknown> };
    await using supervisor = await SessionSupervisor.attach(url, session.getId(), Object.fromEntries(map_));
    await bare.get('data:text/html,<title>bench</title>');
    const other = new WebDriver(bare.getSession(), bare.getExecutor());
    const candidates = {
      bare: () => bare.getTitle(),
      again: () => other.getTitle(),
      supervised: () => supervisor.driver.getTitle(),
    };
    // This warms up: Node.js compiles functions that are called often.
    await inTurns(candidates, COMMANDS / 2);
    const samples = await inTurns(candidates, COMMANDS);
    const ratio = samples.supervised.median / samples.bare.median;
    const noise = samples.again.median / samples.bare.median;
    return [
      {
        what: 'one supervised command / one bare command (same session)',
        measured: `${ratio.toFixed(3)} (A/A ${noise.toFixed(3)}; ${ms(samples.supervised.median)} / ${ms(samples.bare.median)})`,
        goal: '≤ 1.02',
        isMet: ratio <= 1.02,
      },
    ];
  } finally {
    await bare.quit();
  }
}

export async function measureStarts(paths: BrowserPaths): Promise<Row[]> {
  let stop: () => Promise<void> = async () => undefined;
  const bare = async () => {
    const driver = await new Builder()
      .forBrowser('chrome')
      .setChromeOptions(chromeOptions(paths))
      .setChromeService(new chrome.ServiceBuilder(paths.driverPath))
      .build();
    await driver.getTitle();
    stop = () => driver.quit();
  };
  const supervised = async () => {
    const supervisor = await SessionSupervisor.start(paths);
    await supervisor.driver.getTitle();
    stop = () => supervisor.stop();
  };
  // Only one browser runs at a time, and its end is not measured.
  const samples = await inTurns({ bare, supervised }, STARTS, { after: () => stop() });
  const ratio = samples.supervised.median / samples.bare.median;
  return [
    {
      what: 'supervised session start / bare',
      measured: `${ratio.toFixed(3)} (${ms(samples.supervised.median)} / ${ms(samples.bare.median)})`,
      goal: '≤ 1.05',
      isMet: ratio <= 1.05,
    },
  ];
}

/** Returns the switches of a supervised session, so that only the supervision differs. */
function chromeOptions({ browserPath }: BrowserPaths): chrome.Options {
  const options = new chrome.Options();
  options.setChromeBinaryPath(browserPath);
  options.addArguments(
    '--headless=new',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--no-default-browser-check',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  );
  if (process.getuid?.() === 0) options.addArguments('--no-sandbox');
  return options;
}
