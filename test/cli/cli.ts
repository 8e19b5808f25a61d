import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const CLI = ['--conditions=webdriver-supervisor:source', path.join(ROOT, 'src/cli/main.ts')];

export interface CliOptions {
  /** The working directory; default: the project. */
  readonly cwd?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliProcess extends AsyncDisposable {
  readonly pid: number;
  readonly result: Promise<CliResult>;
  /** Resolves when stderr has the text. Rejects if the program ends before. */
  said(words: RegExp): Promise<void>;
  signal(signal: NodeJS.Signals): void;
}

/** Returns the environment without our own settings, npm's and those of CI services. */
export function cleanEnvironment(additions: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) =>
    /^(PATH|HOME|TMPDIR|LANG|USER|REGISTRY_URL|NODE_COMPILE_CACHE)$/.test(name),
  );
  return { ...Object.fromEntries(kept), ...additions };
}

export function startCli(args: readonly string[], { cwd = ROOT, environment = {} }: CliOptions = {}): CliProcess {
  const child = spawn(process.execPath, [...CLI, ...args], {
    cwd,
    env: cleanEnvironment(environment),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const result = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }));
  return {
    pid: child.pid ?? 0,
    result,
    signal: (signal) => void child.kill(signal),
    async said(words) {
      while (!words.test(stderr)) {
        const ended = await Promise.race([once(child.stderr, 'data').then(() => false), result.then(() => true)]);
        if (ended && !words.test(stderr)) throw new Error(`It ended without saying ${words}:\n${stderr}${stdout}`);
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await result;
    },
  };
}

export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  await using cli = startCli(args, options);
  return await cli.result;
}

export interface Folder extends Disposable {
  readonly path: string;
}

/** Makes a folder outside of any package with these files. */
export function makeFolder(files: Readonly<Record<string, string>> = {}): Folder {
  const folder = mkdtempSync(path.join(tmpdir(), 'cli-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  return { path: folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

export interface FakeBrowser extends Disposable {
  readonly environment: Readonly<Record<'CHROME_BINARY' | 'CHROMEDRIVER', string>>;
  /** True if the browser or the driver was started for more than its version. */
  readonly wasStarted: boolean;
}

/** Makes a browser and a driver that print their versions and record their starts. */
export function makeFakeBrowser({ browser = '150.0.1.2', driver = '150.0.1.3' } = {}): FakeBrowser {
  const folder = makeFolder();
  const mark = path.join(folder.path, 'started');
  const make = (name: string, version: string): string => {
    const file = path.join(folder.path, name);
    writeFileSync(file, `#!/bin/sh\ncase $1 in --version) echo "${name} ${version}" ;; *) : > ${mark} ;; esac\n`);
    chmodSync(file, 0o755);
    return file;
  };
  return {
    environment: { CHROME_BINARY: make('browser', browser), CHROMEDRIVER: make('driver', driver) },
    get wasStarted() {
      return existsSync(mark);
    },
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

export interface Site extends AsyncDisposable {
  readonly url: string;
  /** Resolves when this path is requested. */
  visited(pathname: string): Promise<void>;
}

/** Opens a site on which each path is a page with the path as its title and heading. */
export async function openSite(): Promise<Site> {
  const visits = new Set<string>();
  const server = createServer((request, response) => {
    const { url = '/' } = request;
    response.setHeader('content-type', 'text/html').end(`<!doctype html><title>Page ${url}</title><h1>${url}</h1>`);
    visits.add(url);
    server.emit('visit', url);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async visited(pathname) {
      while (!visits.has(pathname)) await once(server, 'visit');
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}

/** Matches lines of a stack, which no message may have without --verbose. */
export const STACK_LINE = /\n\s+at .+:\d+/;
