/** Starts a real Selenium Grid on this machine: a hub and its nodes, each a process of its own, on loopback only. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

import { locateBrowser } from '../../src/driver/locate.ts';
import { startWatchdog } from '../../src/driver/watchdog.ts';
import { locateFirefox } from '../setup-firefox.ts';
import { findGridJars } from './grid-files.ts';

const HOST = '127.0.0.1';
/** A hub listens after 2 to 4 s, and a node registers 1 to 10 s later (measured on 4.47). */
const READY_LIMIT_MS = 60_000;
const POLL_MS = 100;

export type GridBrowser = 'chrome' | 'firefox';

export interface GridOptions {
  /** The number of nodes. Default 2. */
  readonly nodes?: number;
  /** The browser of all nodes. Default chrome. */
  readonly browser?: GridBrowser;
  /** The number of sessions that each node takes at a time. Default 4. */
  readonly slots?: number;
  /** Additional arguments of each node, such as `--session-timeout 10`. */
  readonly nodeArguments?: readonly string[];
  readonly hubArguments?: readonly string[];
  /** The user and the password that the hub asks for. Default: none. */
  readonly credentials?: { readonly username: string; readonly password: string } | undefined;
  /** The path below which the hub answers, such as `/grid`. Default: none. */
  readonly subPath?: string;
}

/** One process of the Grid. Its id is also the id of its process group, which has the node's drivers and browsers. */
export interface GridProcess {
  readonly pid: number;
  readonly port: number;
  readonly isRunning: boolean;
  /** Kills the process with all its children, and resolves when it has exited. Idempotent. */
  kill(): Promise<void>;
}

export interface Grid extends AsyncDisposable {
  readonly browser: GridBrowser;
  /** The address for clients, with the credentials and the sub-path. */
  readonly url: string;
  /** The folder of the temporary files of all processes. */
  readonly folder: string;
  /** The current hub. */
  readonly hub: GridProcess;
  /** All nodes, also those that were killed. */
  readonly nodes: readonly GridProcess[];
  /** Starts the hub again after it was killed. Resolves when all its nodes that run are registered. */
  startHub(): Promise<void>;
  /** Returns the node that has the session; undefined if the Grid does not list it. */
  findNode(sessionId: string): Promise<GridProcess | undefined>;
  /** Returns the ids of the sessions that occupy slots of running nodes. The hub lists a node that is gone for two more minutes. */
  listSessions(): Promise<string[]>;
  /** Starts a further node, or one in the place of a node that was killed. Resolves when it is registered. */
  startNode(): Promise<GridProcess>;
}

/** Resolves when all nodes are registered. Throws with the command to type if Java, Maven or a browser is missing. */
export async function openGrid({
  nodes = 2,
  browser = 'chrome',
  slots = 4,
  nodeArguments = [],
  hubArguments = [],
  credentials,
  subPath = '',
}: GridOptions = {}): Promise<Grid> {
  const jars = await findGridJars();
  const folder = await mkdtemp(path.join(tmpdir(), 'grid-'));
  const parts = new AsyncDisposableStack();
  // If this program is killed, the watchdog ends all processes that have the folder in their environment.
  const watchdog = startWatchdog(folder);
  parts.defer(() => watchdog.disarm());
  parts.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
  const toml = path.join(folder, 'node.toml');
  await writeFile(toml, await describeNode(browser, slots));
  const [hubPort, publish, subscribe] = await freePorts(3);
  const hubUrl = `http://${HOST}:${hubPort}${subPath}`;
  const url = credentials === undefined ? hubUrl : Object.assign(new URL(hubUrl), credentials).href;
  const bus = ['--publish-events', `tcp://${HOST}:${publish}`, '--subscribe-events', `tcp://${HOST}:${subscribe}`];
  const start = (role: string, port: number, rest: readonly string[]): GridProcess => {
    const java = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-cp', path.join(jars, '*')];
    const settings = [role, '--host', HOST, '--port', String(port), ...bus, ...rest];
    const started = startProcess('java', [...java, 'org.openqa.selenium.grid.Bootstrap', ...settings], {
      folder,
      port,
    });
    parts.defer(() => started.kill());
    return started;
  };
  const allHubArguments = [
    ...(subPath === '' ? [] : ['--sub-path', subPath]),
    ...(credentials === undefined ? [] : ['--username', credentials.username, '--password', credentials.password]),
    ...hubArguments,
  ];
  let hub = start('hub', hubPort, allHubArguments);
  const started: GridProcess[] = [];
  const isRegistered = async ({ port }: { readonly port: number }) =>
    (await readNodes(url)).some(({ uri }) => uri.endsWith(`:${port}`));
  const startNode = async () => {
    const [port] = await freePorts(1);
    const node = start('node', port, ['--hub', hubUrl, '--config', toml, ...nodeArguments]);
    started.push(node);
    await waitUntil(() => isRegistered(node), `node ${port}`);
    return node;
  };
  const startHub = async () => {
    hub = start('hub', hubPort, allHubArguments);
    for (const node of started) if (node.isRunning) await waitUntil(() => isRegistered(node), `node ${node.port}`);
  };
  try {
    await waitUntil(async () => (await readNodes(url)) !== undefined, 'the hub');
    await Promise.all(Array.from({ length: nodes }, startNode));
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
  return {
    browser,
    url,
    folder,
    get hub() {
      return hub;
    },
    nodes: started,
    startHub,
    findNode: async (sessionId) => {
      const found = (await readNodes(url)).find(({ slots: all }) =>
        all.some(({ session }) => session?.sessionId === sessionId),
      );
      return started.find(({ port }) => found?.uri.endsWith(`:${port}`));
    },
    startNode,
    listSessions: async () =>
      (await readNodes(url))
        .filter(({ uri }) => started.some(({ port, isRunning }) => isRunning && uri.endsWith(`:${port}`)))
        .flatMap((node) => node.slots.flatMap(({ session }) => session?.sessionId ?? [])),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

interface NodeStatus {
  readonly uri: string;
  readonly slots: readonly { readonly session: { readonly sessionId: string } | null }[];
}

async function readNodes(url: string): Promise<readonly NodeStatus[]> {
  const bare = new URL(url);
  const { username, password } = bare;
  // `fetch` refuses a URL with credentials.
  bare.username = bare.password = '';
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const headers = username === '' ? {} : { authorization };
  const answer = await fetch(`${bare.href.replace(/\/$/, '')}/status`, { headers });
  const { value } = (await answer.json()) as { value: { nodes?: readonly NodeStatus[] } };
  return value.nodes ?? [];
}

/** The settings of a node: a browser of this machine, and no other one. */
async function describeNode(browser: GridBrowser, slots: number): Promise<string> {
  const located = await (browser === 'firefox' ? locateFirefox() : locateBrowser({ env: process.env }));
  if (!located.found)
    throw new Error(`There is no ${browser} with its driver on this machine. See \`npm run doctor\`.`);
  const { browserPath: binary, driverPath } = located;
  const options =
    browser === 'firefox'
      ? { 'moz:firefoxOptions': { binary, args: ['-headless'] } }
      : { 'goog:chromeOptions': { binary, args: ['--no-sandbox', '--headless=new', '--disable-dev-shm-usage'] } };
  return `[server]
host = "${HOST}"
[node]
detect-drivers = false
selenium-manager = false
max-sessions = ${slots}
override-max-sessions = true
[[node.driver-configuration]]
display-name = "${browser}"
webdriver-executable = "${driverPath}"
max-sessions = ${slots}
stereotype = '${JSON.stringify({ browserName: browser, platformName: 'linux', ...options })}'
`;
}

function startProcess(
  program: string,
  args: readonly string[],
  { folder, port }: { readonly folder: string; readonly port: number },
): GridProcess {
  const child = spawn(program, args, { detached: true, stdio: 'ignore', env: { ...process.env, TMPDIR: folder } });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${program} can't be started.`);
  return {
    pid,
    port,
    get isRunning() {
      return child.exitCode === null && child.signalCode === null;
    },
    kill: () => killGroup(child, pid),
  };
}

async function killGroup(child: ChildProcess, pid: number): Promise<void> {
  const exited = child.exitCode === null && child.signalCode === null ? Promise.withResolvers<void>() : undefined;
  if (exited !== undefined) child.once('exit', () => exited.resolve());
  try {
    // The group outlives its leader: drivers and browsers of a killed node are in it.
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
  await exited?.promise;
}

async function freePorts<Count extends number>(
  count: Count,
): Promise<Count extends 3 ? [number, number, number] : [number]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(async (server) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      server.once('error', reject).listen(0, HOST, resolve);
      await promise;
      return (server.address() as { port: number }).port;
    }),
  );
  for (const server of servers) server.close();
  return ports as Count extends 3 ? [number, number, number] : [number];
}

async function waitUntil(isTrue: () => Promise<boolean>, what: string): Promise<void> {
  const endAt = performance.now() + READY_LIMIT_MS;
  while (!(await isTrue().catch(() => false))) {
    if (performance.now() > endAt)
      throw new Error(`Selenium Grid: ${what} was not ready within ${READY_LIMIT_MS / 1_000} s.`);
    await wait(POLL_MS);
  }
}
