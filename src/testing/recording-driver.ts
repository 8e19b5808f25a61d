/**
 * A replacement for chromedriver: `node recording-driver.ts <real chromedriver> <log file> [arguments of chromedriver…]`.
 *
 * It starts the real chromedriver on another port, puts a recording proxy before it, and announces the proxy's port in chromedriver's own
 * format. Each of the two ends with the other, with one exception: if the replacement is killed by SIGKILL, the real driver continues,
 * because both are in one process group and only the group's owner can end it.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { epochNowMs, fromMatcherText, type DriverControl, type DriverLogLine } from './driver-recording.ts';
import { LocalServer, readBody } from './local-server.ts';
import { openRecordingProxy, type ArmedFault, type RecordingProxy } from './recording-proxy.ts';
import { sendWhole } from './wire-faults.ts';

const STARTED = /^(ChromeDriver was started successfully on port )(\d+)/;
const INFORMATION_FLAGS = new Set(['--version', '-v', '--help', '-h']);
const PASSED_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

main(...process.argv.slice(2));

function main(chromedriver?: string, log?: string, ...args: readonly string[]): void {
  if (chromedriver === undefined || log === undefined) {
    process.stderr.write('usage: recording-driver.ts <real chromedriver> <log file> [arguments of chromedriver…]\n');
    process.exit(2);
  }
  if (args.some((arg) => INFORMATION_FLAGS.has(arg))) {
    process.exit(spawnSync(chromedriver, args, { stdio: 'inherit' }).status ?? 1);
  }
  runRecordingDriver(chromedriver, { log, args });
}

function runRecordingDriver(chromedriver: string, { log, args }: { log: string; args: readonly string[] }): void {
  const writeLog = openLog(log);
  const { port, rest } = takePort(args);
  const basePath = args.find((arg) => arg.startsWith('--url-base='))?.slice('--url-base='.length) ?? '';
  const driver = spawn(chromedriver, [...rest, '--port=0'], { stdio: ['ignore', 'pipe', 'pipe'] });
  linkLifetimes(driver, writeLog);
  process.stdout.on('error', () => undefined); // The parent process may have closed the pipe.
  process.stderr.on('error', () => undefined);
  driver.stderr.pipe(process.stderr);
  createInterface(driver.stdout).on('line', (line) => {
    const driverPort = STARTED.exec(line)?.[2];
    if (driverPort === undefined) process.stdout.write(`${line}\n`);
    else void announce(Number(driverPort));
  });

  async function announce(driverPort: number): Promise<void> {
    const driverUrl = `http://127.0.0.1:${driverPort}${basePath}`;
    const proxy = await openRecordingProxy(driverUrl, {
      port,
      onRequest: ({ method, path, sessionId }) =>
        writeLog({ event: 'command', pid: process.pid, method, path, sessionId, atEpochMs: epochNowMs() }),
    });
    const control = await openControl(proxy);
    const [pid, driverPid, controlPort] = [process.pid, driver.pid ?? 0, control.port];
    writeLog({ event: 'started', pid, driverPid, port: proxy.port, driverUrl, controlPort, atEpochMs: epochNowMs() });
    process.stdout.write(`ChromeDriver was started successfully on port ${proxy.port}.\n`);
  }
}

/** Opens the log. A command is logged before anything else happens with it, so the log is complete even after SIGKILL. */
function openLog(log: string): (line: DriverLogLine) => void {
  const file = openSync(log, 'a');
  return (line) => void writeSync(file, `${JSON.stringify(line)}\n`);
}

/** Removes the requested port from the arguments. The proxy listens on it, and chromedriver takes a free one. */
function takePort(args: readonly string[]): { port: number; rest: string[] } {
  const rest = args.filter((arg) => !arg.startsWith('--port='));
  const port = args.find((arg) => arg.startsWith('--port='))?.slice('--port='.length);
  return { port: Number(port ?? 0), rest };
}

function linkLifetimes(driver: ChildProcess, writeLog: (line: DriverLogLine) => void): void {
  for (const signal of PASSED_SIGNALS) process.on(signal, () => driver.kill(signal));
  process.on('exit', () => driver.kill('SIGKILL')); // Only after an error of this process: otherwise the driver has exited first.
  driver.once('error', (error) => {
    process.stderr.write(`recording driver: ${error.message}\n`);
    process.exit(1);
  });
  driver.once('exit', (code, signal) => {
    writeLog({ event: 'exited', pid: process.pid, code, signal, atEpochMs: epochNowMs() });
    if (signal === null) process.exit(code ?? 1);
    for (const passed of PASSED_SIGNALS) process.removeAllListeners(passed);
    process.kill(process.pid, signal);
  });
}

/** Opens the control port, which {@link DriverRemote} uses. */
async function openControl(proxy: RecordingProxy): Promise<LocalServer> {
  const faults: ArmedFault[] = [];
  const server = await LocalServer.open();
  server.serve(async (request, response) => {
    const control = JSON.parse(await readBody(request)) as DriverControl;
    const body = JSON.stringify((await carryOut(control)) ?? null);
    sendWhole(response, { status: 200, headers: { 'content-type': 'application/json' }, body });
  });
  return server;

  function carryOut(control: DriverControl): unknown {
    switch (control.do) {
      case 'cutNextBody':
        return { fault: faults.push(proxy.cutNextBody(fromMatcherText(control.matcher), { cut: control.cut })) - 1 };
      case 'swallowNext':
        return { fault: faults.push(proxy.swallowNext(fromMatcherText(control.matcher))) - 1 };
      case 'waitForFault':
        return faults[control.fault]?.struck;
      case 'waitForRequest':
        return proxy.waitForRequest(fromMatcherText(control.matcher), { count: control.count });
      case 'refuse':
        return proxy.refuse();
      case 'restore':
        return proxy.restore();
    }
  }
}
