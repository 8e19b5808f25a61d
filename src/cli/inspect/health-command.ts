/** The `health` command: prints the state of sessions and runs as the monitor reports it, also without a monitor. */
import { Command } from 'commander';

import { count } from '../../core/describe-number.ts';
import { shorten } from '../terminal/text-width.ts';
import type { Config } from '../../config/config.ts';
import { describeAgo, describeSpan } from '../../core/describe-time.ts';
import { thisProcess } from '../../driver/driver.ts';
import {
  lookForStuck,
  readHealth,
  toHealthLimits,
  toHealthView,
  toStuckView,
  type HealthLimits,
  type HealthReport,
} from '../../monitor/monitor.ts';
import { MONITOR_LEADERSHIP, type Leader, type Registry, type StoredAlert } from '../../registry/registry.ts';
import { commandLine } from '../terminal/command-line.ts';
import { withRegistry } from './registry-commands.ts';
import { EXIT_FAILED } from '../terminal/report-error.ts';
import { shortRunId, shortSessionId } from './subjects.ts';
import { renderIdle } from './render-idle.ts';
import { renderLines, renderTable } from '../terminal/text-table.ts';
import { toSafeLine } from '../terminal/safe-text.ts';
import { printJson, printResult } from '../terminal/terminal.ts';

const ALERTS_SHOWN = 10;
/** Alerts contain the names of owners, which can have any length. */
const MAX_WORD_LENGTH = 40;
const PERCENT = 100;

interface Findings {
  readonly health: HealthReport;
  readonly limits: HealthLimits;
  readonly leader: Leader | undefined;
  readonly lastCleanupAt: string | null;
  readonly hasRuns: boolean;
}

export function makeHealthCommand(): Command {
  return new Command('health')
    .summary('the state of sessions and runs: healthy, warning or critical, and why')
    .description(
      'Shows the state of sessions and runs: what works, what is stuck, which monitor watches, which alerts fire. It reads the registry and needs no monitor. The last line is the command to type next.',
    )
    .configureHelp({ commandUsage: () => commandLine('health', '[options]') })
    .option('--json', 'print one line of JSON, as GET /health/sessions of the monitor has it, with what is stuck')
    .option('--verbose', 'show where errors come from')
    .addHelpText('after', `\nExit codes: 0, or 1 if the state is critical.\n\nExample:\n  ${commandLine('health')}`)
    .action(({ json = false }: { json?: boolean }) =>
      withRegistry(async (registry, config) => {
        const findings = await read(registry, config);
        const { health, limits } = findings;
        if (json) printJson({ ...toHealthView(health, limits), stuck_sessions: health.report.stuck.map(toStuckView) });
        else printResult(render(findings));
        if (health.status === 'critical') process.exitCode = EXIT_FAILED;
      }),
    );
}

async function read(registry: Registry, config: Config): Promise<Findings> {
  const limits = toHealthLimits(config);
  // Only a process that ran while the machine slept can detect the sleep.
  const report = await lookForStuck(registry, { host: thisProcess().host, thresholds: limits, pausedSince: () => 0 });
  const [cleanup] = await registry.events.listLatest({ limit: 1, types: ['cleanup'] });
  return {
    health: await readHealth(registry, { report, limits }),
    limits,
    leader: await registry.leadership.current(MONITOR_LEADERSHIP),
    lastCleanupAt: cleanup?.at ?? null,
    hasRuns: (await registry.runs.count()) > 0,
  };
}

function render(findings: Findings): string {
  const { alerts, report } = findings.health;
  const { longRunning, stuck } = report;
  const parts = [
    renderNumbers(findings),
    ...(longRunning.length === 0 ? [] : [renderIdle(longRunning, { stuck })]),
    ...(alerts.length === 0 ? [] : [renderAlerts(alerts)]),
    renderLines(describeNext(findings)),
  ];
  return parts.join('\n');
}

function renderNumbers({ health, limits, leader, lastCleanupAt }: Findings): string {
  const { status, reasons, totalSessions, activeSessions, utilisation, report, alerts } = health;
  const { warningMs, timeoutMs, maxLongRunning, maxSessions } = limits;
  const [reason = 'nothing is stuck, and no limit is near', ...others] = reasons;
  const rows: readonly (readonly [name: string, ...texts: string[]])[] = [
    ['health', `${status}: ${reason}`, ...others],
    ['sessions', `${totalSessions} in the registry, ${activeSessions} of them active`],
    ['processing', `${report.processing} with a run that is being worked on`],
    [
      'long-running',
      `${report.longRunning.length} without progress for over ${describeSpan(warningMs)} (more than ${maxLongRunning} are too many)`,
    ],
    ['stuck', `${report.stuck.length} without progress for over ${describeSpan(timeoutMs)}`],
    ['utilisation', `${Math.round(utilisation * PERCENT)} % of MAX_SESSIONS (${maxSessions}) in the fullest process`],
    ['monitor', describeLeader(leader)],
    ['clean-up', lastCleanupAt === null ? 'never yet' : `last ${describeAgo(lastCleanupAt)}`],
    ['alerts', describeAlerts(alerts, leader)],
  ];
  return renderTable(rows.map(([name, ...texts]) => ({ name, texts })));
}

function describeLeader(leader: Leader | undefined): string {
  if (leader === undefined) return `no monitor runs: ${commandLine('monitor')}`;
  const where = shorten(toSafeLine(`${leader.host}:${leader.pid}`), MAX_WORD_LENGTH);
  return `${where} leads, for ${describeSpan(Date.now() - Date.parse(leader.since))}`;
}

function describeAlerts(alerts: readonly StoredAlert[], leader: Leader | undefined): string {
  if (alerts.length === 0) return leader === undefined ? 'none; without a monitor none is raised' : 'none';
  const critical = alerts.filter(({ severity }) => severity === 'critical').length;
  const words = `${alerts.length} ${alerts.length === 1 ? 'fires' : 'fire'}, ${critical} of them critical`;
  return leader === undefined ? `${words}, as the last monitor left them` : words;
}

function renderAlerts(alerts: readonly StoredAlert[]): string {
  // Critical alerts come first. Among equal ones the earlier comes first, because it may have caused the later ones.
  const sorted = alerts.toSorted((a, b) => Number(b.severity === 'critical') - Number(a.severity === 'critical'));
  const shown = sorted
    .slice(0, ALERTS_SHOWN)
    .flatMap(({ severity, since, message, next }) => [
      { name: severity, texts: [`${toShortWords(message)} (for ${describeSpan(Date.now() - Date.parse(since))})`] },
      ...(next === null ? [] : [{ name: '', texts: [toSafeLine(next)], isWhole: true }]),
    ]);
  const more = alerts.length - ALERTS_SHOWN;
  return `${renderTable(shown)}${more > 0 ? `… and ${count(more, 'more alert')}\n` : ''}`;
}

/** Returns what to do about the worst finding: a sentence and a command. */
function describeNext({ health, limits, leader, hasRuns }: Findings): readonly string[] {
  const { status, report, totalSessions, alerts } = health;
  const [longest] = report.longRunning;
  if (report.stuck.length > 0)
    return ['To see what a reset would do, without any change:', `  ${commandLine('reset-stuck')}`];
  if (longest !== undefined && report.longRunning.length > limits.maxLongRunning)
    return ['To see the progress of the longest one:', `  ${showLine(longest)}`];
  const next = alerts.map((alert) => alert.next).find((one) => one !== null && one !== commandLine('health'));
  if (next !== undefined && next !== null) return ['The first alert advises:', `  ${toSafeLine(next)}`];
  if (status !== 'healthy' && alerts.length === 0)
    return ['To see the owners of the sessions:', `  ${commandLine('sessions')}`];
  if (totalSessions === 0 && !hasRuns)
    return ['No session was created yet. Begin a run:', `  ${commandLine('run', 'gather-catalog --help')}`];
  if (leader === undefined)
    return [
      'Without a monitor no program times out stuck work, cleans up or sends alerts. Start one:',
      `  ${commandLine('monitor')}`,
    ];
  if (longest !== undefined) return ['To see its progress:', `  ${showLine(longest)}`];
  return ['To see how sessions are used:', `  ${commandLine('metrics')}`];
}

function showLine({ runId, sessionId }: HealthReport['report']['longRunning'][number]): string {
  return runId === null
    ? commandLine('sessions', `show ${shortSessionId(sessionId ?? '')}`)
    : commandLine('runs', `show ${shortRunId({ id: runId })}`);
}

/** Returns the text as one line whose words are short enough to be wrapped. */
function toShortWords(text: string): string {
  return toSafeLine(text)
    .split(' ')
    .map((word) => shorten(word, MAX_WORD_LENGTH))
    .join(' ');
}
