/** The `monitor` command: the long-lived program that watches the registry. */
import { Command } from 'commander';

import { loadConfig, type SettingName } from '../../config/config.ts';
import { makeLog } from '../../core/log.ts';
import { Monitor } from '../../monitor/monitor.ts';
import { commandLine } from '../terminal/command-line.ts';
import { EXIT_FAILED } from '../terminal/report-error.ts';
import { listenForStop } from '../terminal/stop-signals.ts';

interface MonitorFlags {
  readonly host?: string;
  readonly port?: string;
}

export function makeMonitorCommand(): Command {
  return new Command('monitor')
    .summary('watch the registry: stuck work, clean-up, health, metrics, alerts, dashboard')
    .description(
      'Watches the registry until it is stopped: times out what is stuck, cleans up, raises alerts, and shows all of it at http://127.0.0.1:9464. Of several monitors of one registry, one does the work, and another takes over if it fails.',
    )
    .configureHelp({ commandUsage: () => commandLine('monitor', '[options]') })
    .option(
      '--host <name>',
      'the address to listen on; if it is not of this machine alone, MONITOR_TOKEN is needed (default: MONITOR_HOST, 127.0.0.1)',
    )
    .option('--port <number>', 'the port to listen on (default: MONITOR_PORT, 9464)')
    .option('--verbose', 'show where errors come from')
    .addHelpText(
      'after',
      `
Without MONITOR_TOKEN each program of this machine can read, and nothing can be changed. With it, reads and changes need the token. The token
has at least 16 characters. To make a good one: openssl rand -hex 32

Examples:
  ${commandLine('monitor')}
  MONITOR_TOKEN=$(openssl rand -hex 32) ${commandLine('monitor', '--host 0.0.0.0')}`,
    )
    .action(async (flags: MonitorFlags) => watch(flags));
}

async function watch({ host, port }: MonitorFlags): Promise<void> {
  const flags: Partial<Record<SettingName, unknown>> = { MONITOR_HOST: host, MONITOR_PORT: port };
  const config = loadConfig({ flags });
  const log = makeLog({ level: config.logLevel, format: config.logFormat, isTimed: !process.stderr.isTTY });
  const stopped = Promise.withResolvers<void>();
  // Listens before the monitor opens, so that a signal during its start stops it, too.
  const unlisten = listenForStop({
    onStop: (signal) => {
      log.info('The monitor is being stopped', { signal });
      stopped.resolve();
    },
    onKill: () => process.exit(EXIT_FAILED),
  });
  try {
    await using monitor = await Monitor.open({ config, log, commandLine });
    log.info(`The monitor listens on ${monitor.url}; Ctrl+C ends it`);
    if (config.monitorToken === undefined)
      log.info('Each program of this machine can read there, and nothing can be changed; MONITOR_TOKEN changes both');
    await stopped.promise;
  } finally {
    unlisten();
  }
}
