/** The `metrics` command: prints the registry's numbers with a verdict for the user; `--json` prints the numbers unchanged. */
import { Command } from 'commander';

import { nameOwner, nameOwners } from './subjects.ts';
import { count, describeNumbers } from '../../core/describe-number.ts';
import { RUN_STATUSES } from '../../model/run.ts';
import { SESSION_STATUSES } from '../../model/session.ts';
import { judgeAlerts, listFiring } from '../../monitor/monitor.ts';
import type { RegistryMetrics, StoredAlert } from '../../registry/registry.ts';
import { countCreated, MIN_UNITS_TO_JUDGE } from '../../upkeep/upkeep.ts';
import { commandLine } from '../terminal/command-line.ts';
import { judge, summarizeVerdicts, type Verdict } from './metrics-verdicts.ts';
import { withRegistry } from './registry-commands.ts';
import { EXIT_FAILED } from '../terminal/report-error.ts';
import { renderLines, renderTable } from '../terminal/text-table.ts';
import { toSafeLine } from '../terminal/safe-text.ts';
import { describeAgo, describeDuration } from '../../core/describe-time.ts';
import { printJson, printResult } from '../terminal/terminal.ts';

const OWNERS_SHOWN = 10;
const STATES: Readonly<Record<string, string>> = { inFlight: 'under way', refused: 'refused afterwards' };

export function makeMetricsCommand(): Command {
  return new Command('metrics')
    .summary('the numbers of sessions and runs, with a verdict')
    .description(
      'Shows how many sessions were created, reused and died, and whether an owner has more than one. The last line is a verdict.',
    )
    .configureHelp({ commandUsage: () => commandLine('metrics', '[options]') })
    .option('--json', 'print the numbers as one line of JSON')
    .option('--verbose', 'show where errors come from')
    .addHelpText(
      'after',
      `\nExit codes: 0, or 1 if an owner has more than one live session.\n\nExample:\n  ${commandLine('metrics')}`,
    )
    .action(({ json = false }: { json?: boolean }) =>
      withRegistry(async (registry) => {
        const numbers = await registry.metrics.read();
        if (json) printJson(numbers);
        else printResult(render(numbers, { location: registry.location, alerts: await listFiring(registry) }));
        if (numbers.duplicateOwners.length > 0) process.exitCode = EXIT_FAILED;
      }),
    );
}

function render(
  numbers: RegistryMetrics,
  { location, alerts }: { readonly location: string; readonly alerts: readonly StoredAlert[] },
): string {
  const created = countCreated(numbers);
  const verdicts = judge(numbers, alerts);
  const { cleanups, averageSessionSeconds } = numbers;
  const rows: readonly (readonly [name: string, text: string, verdict?: Verdict])[] = [
    ['sessions created', describeCreated(numbers.sessionsCreated, created)],
    ['reuse ratio', describeReuse(numbers, verdicts.reuse), verdicts.reuse],
    ['rapid creates', String(numbers.rapidCreates), verdicts.rapidCreates],
    ['context losses', String(numbers.contextLosses), verdicts.contextLosses],
    ['duplicate owners', describeDuplicates(numbers.duplicateOwners), verdicts.duplicateOwners],
    ['deaths', describeDeaths(numbers.deaths), verdicts.deaths],
    ['work cancelled', describeCancelled(numbers.workCancelled)],
    ['sessions', describeNumbers(numbers.sessionsByStatus, SESSION_STATUSES) || 'none'],
    ['runs', describeNumbers(numbers.runsByStatus, RUN_STATUSES) || 'none', verdicts.runs],
    [
      'average session',
      averageSessionSeconds === null ? 'none has ended' : describeDuration(averageSessionSeconds * 1_000),
    ],
    [
      'cleanups',
      `${count(cleanups.runs, 'round')}, ${cleanups.removed} removed, ${cleanups.failures} failed; last ${cleanups.lastAt === null ? 'never' : describeAgo(cleanups.lastAt)}`,
      verdicts.cleanups,
    ],
    ['alerts', judgeAlerts(alerts)[0]?.reason ?? 'none', verdicts.alerts],
    ['registry', `${(numbers.registryBytes / 2 ** 20).toFixed(1)} MB (${location})`],
  ];
  const nameWidth = Math.max(...rows.map(([name]) => name.length));
  const table = rows.map(([name, text, verdict = '']) => ({
    name: `${(verdict === 'too few to judge' ? '–' : verdict).padEnd('watch'.length)}  ${name.padEnd(nameWidth)}`,
    texts: [text],
  }));
  const hint =
    created > 0 ? [] : ['No session was created yet. Begin a run:', `  ${commandLine('run', 'gather-catalog --help')}`];
  return `${renderTable(table)}\n${renderLines([...hint, summarizeVerdicts(numbers, verdicts, alerts)])}`;
}

/** `42: ann 20, bob 12, 3 more owners 10`. */
function describeCreated(byOwner: RegistryMetrics['sessionsCreated'], total: number): string {
  const owners = Object.entries(byOwner).toSorted(([, a], [, b]) => b - a);
  const shown = owners
    .slice(0, OWNERS_SHOWN)
    .map(([owner, number]) => `${owner === '' ? 'runs without an owner' : nameOwner(owner)} ${number}`);
  const rest = owners.slice(OWNERS_SHOWN);
  const more = rest.reduce((sum, [, number]) => sum + number, 0);
  if (rest.length > 0) shown.push(`${count(rest.length, 'more owner')} ${more}`);
  return total === 0 ? '0' : `${total}: ${shown.join(', ')}`;
}

function describeReuse({ reuseRatio, sessionsReused }: RegistryMetrics, verdict: Verdict): string {
  if (reuseRatio === null) return 'nothing was done yet';
  // Cut, not rounded: 94.96 % is less than 95 %.
  const percent = (Math.floor(reuseRatio * 1_000) / 10).toFixed(1);
  const units = `${count(sessionsReused, 'unit')} of work used an open session`;
  const needed = verdict === 'too few to judge' ? `; too few to judge, which takes ${MIN_UNITS_TO_JUDGE}` : '';
  return `${percent} %: ${units}${needed}`;
}

function describeDuplicates(owners: readonly string[]): string {
  return owners.length === 0 ? '0' : `${owners.length}: ${nameOwners(owners)}`;
}

/** `3: browser-gone 2 (noticed by devtools 1, command 1; out-of-memory 1), frozen 1 (noticed by heartbeat 1)`. */
function describeDeaths(deaths: RegistryMetrics['deaths']): string {
  const sum = (some: RegistryMetrics['deaths']) => some.reduce((total, { number }) => total + number, 0);
  const tally = (some: RegistryMetrics['deaths'], nameOf: (one: RegistryMetrics['deaths'][number]) => string) => {
    const numbers = [...Map.groupBy(some, nameOf)].map(([name, group]) => [name, sum(group)] as const);
    return numbers
      .toSorted(([, a], [, b]) => b - a)
      .map(([name, number]) => `${name} ${number}`)
      .join(', ');
  };
  if (deaths.length === 0) return '0';
  const causes = [...Map.groupBy(deaths, ({ cause }) => cause)].toSorted(([, a], [, b]) => sum(b) - sum(a));
  const texts = causes.map(([cause, some]) => {
    const noticed = tally(some, ({ detectedBy }) => detectedBy);
    const known = some.filter(({ reason }) => reason !== 'unknown');
    const reasons = known.length === 0 ? '' : `; ${tally(known, ({ reason }) => reason)}`;
    return `${cause} ${sum(some)} (noticed by ${noticed}${reasons})`;
  });
  return toSafeLine(`${sum(deaths)}: ${texts.join(', ')}`);
}

function describeCancelled(byState: RegistryMetrics['workCancelled']): string {
  const words = Object.fromEntries(Object.entries(byState).map(([state, number]) => [STATES[state] ?? state, number]));
  return describeNumbers(words, ['queued', ...Object.values(STATES)]) || '0';
}
