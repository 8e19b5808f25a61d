#!/usr/bin/env node
/**
 * Makes a fresh clone work. It installs the dependencies (including the right Node) if they are missing or out of date, then finds a
 * browser and its driver (`setup-browser.ts`). If there is nothing to do, it prints nothing and checks only a few files. It prints
 * everything to stderr, because stdout belongs to the command that follows.
 *
 * It runs before anything is installed, on any Node >= 18, so it is plain JavaScript without dependencies.
 * Usage: node scripts/setup.mjs [--no-browser]
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, delimiter, dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const MODULES = join(ROOT, 'node_modules');
const NODE = join(MODULES, '.bin', 'node');
const STAMP = join(MODULES, '.setup-stamp');
const LOCK = join(ROOT, '.supervisor', 'setup.lock');
const LOCK_POLL_MS = 200;
/** No install takes this long. The limit is for the case that another program reuses the pid. */
const LOCK_STALE_AFTER_MS = 20 * 60_000;

try {
  if (!isInstalled()) await withLock(install);
  if (!process.argv.includes('--no-browser')) process.exitCode = await setUpBrowser();
} catch (error) {
  say(error.message);
  process.exitCode = 2;
}

function setUpBrowser() {
  // Node's cache of compiled code, keyed by content, halves the time of the usual case, in which there is nothing to do.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(MODULES, '.cache', 'node-compile') };
  return run(NODE, ['--disable-warning=ExperimentalWarning', join(ROOT, 'scripts', 'setup-browser.ts')], { env });
}

/** Compares the stamp, a hash of what was installed. If Node is missing, an install script did not run. */
function isInstalled() {
  return existsSync(NODE) && readText(STAMP) === fingerprint();
}

function fingerprint() {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(readText(join(ROOT, 'package.json')));
  const wanted = JSON.stringify([dependencies, devDependencies, optionalDependencies, process.platform, process.arch]);
  return createHash('sha256')
    .update(wanted)
    .update(readText(join(ROOT, 'package-lock.json')))
    .digest('hex');
}

async function install() {
  // The previous holder of the lock may have installed them. Or the user ran npm, and a second install would be a waste.
  if (isInstalled()) return;
  if (existsSync(NODE) && isWhatNpmInstalled()) return stamp();

  let command = existsSync(join(ROOT, 'package-lock.json')) ? 'ci' : 'install';
  say(`Installing the dependencies with npm ${command}; this takes up to a few minutes.`);
  rmSync(STAMP, { force: true });
  let { code, output } = await runNpm(command);
  if (code !== 0 && output.includes('EUSAGE')) {
    // The lock file lacks packages of package.json, or packages that this npm registry does not have. npm install may work nevertheless.
    command = 'install --no-save';
    say(`package-lock.json does not match package.json for this npm; installing with npm ${command} instead.`);
    ({ code, output } = await runNpm(command));
  }
  if (code !== 0) {
    throw new Error(
      `${output.trim()}\n\nInstalling the dependencies failed: npm ${command} ended with code ${code}; its output is above. ` +
        `Remove the cause and run the same command again. To see more: npm ${command}`,
    );
  }
  if (!existsSync(NODE)) {
    throw new Error(
      'npm installed the dependencies, but not the Node that they need: the install script of the package "node" did not run. ' +
        'Is "ignore-scripts" on in your npm settings (npm config get ignore-scripts)? To continue: npm rebuild node --ignore-scripts=false',
    );
  }
  stamp();
}

async function runNpm(command) {
  const npm = npmCommand();
  // These override the user's npm settings: development dependencies are needed, and the machine's own Node may be older.
  const options = ['--include=dev', '--engine-strict=false', '--no-audit', '--no-fund', '--loglevel=error'];
  const chunks = [];
  const code = await run(npm.file, [...npm.args, ...command.split(' '), ...options], {
    env: { ...process.env, PATH: pathWithoutOurBin() },
    onOutput: (chunk) => chunks.push(chunk),
    onStart: addToLock,
  });
  return { code, output: Buffer.concat(chunks).toString() };
}

function stamp() {
  writeFileSync(STAMP, fingerprint());
}

/** Compares the lock file with npm's own list of what is in node_modules. Packages for other platforms may be absent. */
function isWhatNpmInstalled() {
  const wanted = JSON.parse(readText(join(ROOT, 'package-lock.json')) || '{}').packages;
  const present = JSON.parse(readText(join(MODULES, '.package-lock.json')) || '{}').packages;
  if (!wanted || !present) return false;
  const isSame = ([path, { version, integrity, optional }]) => {
    const { version: presentVersion, integrity: presentIntegrity } = present[path] ?? {};
    return present[path]
      ? version === presentVersion && integrity === presentIntegrity && existsSync(join(ROOT, path))
      : optional === true;
  };
  const { '': root, ...packages } = wanted;
  const manifest = JSON.parse(readText(join(ROOT, 'package.json')));
  const isInStep = ['dependencies', 'devDependencies'].every((key) => sameEntries(root[key], manifest[key]));
  return isInStep && Object.entries(packages).every(isSame);
}

function sameEntries(a = {}, b = {}) {
  return Object.keys(a).length === Object.keys(b).length && Object.keys(a).every((key) => a[key] === b[key]);
}

/** Returns the npm that called this script, on a Node outside of node_modules, because `npm ci` removes the one inside. */
function npmCommand() {
  const npmCli = process.env.npm_execpath;
  const node = [process.env.npm_node_execpath, process.execPath].find(
    (path) => path && existsSync(path) && !path.startsWith(MODULES + sep),
  );
  return npmCli && node && basename(npmCli) === 'npm-cli.js'
    ? { file: node, args: [npmCli] }
    : { file: 'npm', args: [] };
}

function pathWithoutOurBin() {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !folder.startsWith(MODULES + sep))
    .join(delimiter);
}

/**
 * Does the work under a lock. If two set-ups run at once, the second waits and then finds the work done. The lock contains the pids of its
 * holder and of the npm that it started, which outlives a killed holder. If both are gone, the lock is invalid.
 */
async function withLock(work) {
  mkdirSync(dirname(LOCK), { recursive: true });
  let hasReported = false;
  while (!tryLock()) {
    const holder = readText(LOCK);
    if (isStale(holder)) removeStaleLock(holder);
    else if (!hasReported && holder) {
      say(`Another set-up (process ${holder.split(' ', 1)}) is installing; waiting for it.`);
      hasReported = true;
    }
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
  }
  const release = () => rmSync(LOCK, { force: true });
  process.once('exit', release);
  try {
    await work();
  } finally {
    process.off('exit', release);
    release();
  }
}

/** Creates the lock as a link, which appears together with its content. So a lock without a pid can't be read. */
function tryLock() {
  const mine = `${LOCK}.${process.pid}`;
  writeFileSync(mine, String(process.pid));
  try {
    linkSync(mine, LOCK);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(mine, { force: true });
  }
}

function addToLock(pid) {
  const mine = `${LOCK}.${process.pid}`;
  writeFileSync(mine, `${process.pid} ${pid}`);
  renameSync(mine, LOCK);
}

function isStale(holder) {
  if (holder === '') return false; // released between the two reads
  const isOld = Date.now() - (statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) > LOCK_STALE_AFTER_MS;
  return isOld || !holder.split(' ').some((pid) => isRunning(Number.parseInt(pid, 10)));
}

function isRunning(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/**
 * Moves the lock aside before it removes it: if two set-ups saw the stale lock, the slower one must not remove the new lock of the faster.
 */
function removeStaleLock(holder) {
  const aside = `${LOCK}.stale.${process.pid}`;
  try {
    renameSync(LOCK, aside);
    if (readText(aside) !== holder) linkSync(aside, LOCK);
  } catch {
    // Another set-up was faster; the caller tries again.
  } finally {
    rmSync(aside, { force: true });
  }
}

/** Runs a program and returns its exit code, or 1 if a signal ended it. Signals to this process are passed on, and its end is awaited. */
function run(file, args, { env = process.env, onOutput, onStart } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: ROOT, env, stdio: onOutput ? ['ignore', 'pipe', 'pipe'] : 'inherit' });
    if (child.pid) onStart?.(child.pid);
    child.stdout?.on('data', onOutput);
    child.stderr?.on('data', onOutput);
    const forward = (signal) => child.kill(signal);
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, forward);
    child.once('error', (error) => reject(new Error(`Could not start ${file}: ${error.message}`)));
    child.once('close', (code) => {
      for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, forward);
      resolve(code ?? 1);
    });
  });
}

function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function say(text) {
  process.stderr.write(`${text}\n`);
}
