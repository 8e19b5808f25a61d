import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { cleanEnvironment, ROOT, type CliResult } from '../cli/cli.ts';

const INSTALL = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];

export interface RunOptions {
  /** The folder of the Node.js that runs the program. Default: that of this process. */
  readonly node?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Ends the program by SIGTERM when its output has the text. */
  readonly endAfter?: RegExp;
}

/** A project in an empty folder outside of the repository, with the packed package as its only dependency. */
export class Consumer implements Disposable {
  readonly folder: string;

  static async open(): Promise<Consumer> {
    const consumer = new Consumer();
    const tarball = await consumer.#npm(['pack', '--silent', '--pack-destination', consumer.folder], { cwd: ROOT });
    consumer.write({ 'package.json': '{ "name": "consumer", "private": true, "type": "module" }' });
    await consumer.install(`./${tarball.trim()}`);
    return consumer;
  }

  private constructor() {
    this.folder = mkdtempSync(path.join(tmpdir(), 'consumer-'));
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) writeFileSync(path.join(this.folder, name), text);
  }

  async install(...packages: readonly string[]): Promise<void> {
    await this.#npm([...INSTALL, ...packages]);
  }

  /** Installs a version of Node.js beside the project, and returns the folder of its program. */
  async installNode(version: string): Promise<string> {
    const platform = `node-${process.platform}-${process.arch}`;
    const prefix = path.join(this.folder, `node-${version}`);
    await this.#npm([...INSTALL, '--no-save', '--prefix', prefix, `${platform}@${version}`]);
    return path.join(prefix, 'node_modules', platform, 'bin');
  }

  /** Runs a program in the project's folder until it ends. It sees no settings of this process. */
  run(
    program: string,
    words: readonly string[],
    { node = path.dirname(process.execPath), environment = {}, endAfter }: RunOptions = {},
  ): Promise<CliResult> {
    const { REGISTRY_URL, PATH, ...inherited } = cleanEnvironment();
    const env = { ...inherited, PATH: `${node}${path.delimiter}${PATH}`, ...environment };
    return runToEnd(program, words, { cwd: this.folder, env, endAfter });
  }

  /** Runs npm with the settings of this process, which may name another registry. */
  async #npm(words: readonly string[], { cwd = this.folder } = {}): Promise<string> {
    const { code, stdout, stderr } = await runToEnd('npm', words, { cwd, env: process.env });
    if (code === 0) return stdout;
    throw new Error(`npm ${words.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  }
}

interface ProcessOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly endAfter?: RegExp | undefined;
}

async function runToEnd(
  program: string,
  words: readonly string[],
  { cwd, env, endAfter }: ProcessOptions,
): Promise<CliResult> {
  const child = spawn(program, words, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    if (endAfter?.test(stderr)) child.kill('SIGTERM');
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}
