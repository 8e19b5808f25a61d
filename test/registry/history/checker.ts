/**
 * Checks a history against the guarantees of the registry. Each guarantee has one check, a pure function of the history.
 */
import { OWNER, RUN, type Entry, type History } from './history.ts';

export interface Violation {
  readonly promise: keyof typeof CHECKS;
  readonly what: string;
}

/** The name of the last process of a schedule, which nothing disturbs. */
export const LAST = 'last';
/**
 * A request that was written before another process began may arrive after that one's first request. On loopback it takes microseconds to
 * arrive; the rest is the time until this busy process records it.
 */
const IN_FLIGHT_LIMIT_MS = 100;
/** Commands that change nothing: a heartbeat, and the end of a lost session. */
const HARMLESS_COMMANDS = new Set(['GET /window/handles', 'DELETE /session']);
/** The error codes with which a process may end that lost commits, or whose run another process took over. */
const LOSSES = new Set(['registry-diverged', 'lease-lost', 'session-ended', 'cancelled']);

const CHECKS = {
  'one writer': checkWriter,
  'no gap between commits': checkNumbers,
  'what is confirmed is stored': checkConfirmed,
  'exit 0 means the right data': checkExports,
  'counts equal the rows': checkCounts,
  'one event per cause': checkEvents,
  'a token is issued once': checkTokens,
  'lost commits are noticed': checkRestores,
  'one process sends': checkSenders,
  'the run can be finished': checkEnd,
} satisfies Record<string, (history: History) => Iterable<string>>;

export function checkHistory(history: History): Violation[] {
  return Object.entries(CHECKS).flatMap(([promise, check]) =>
    [...check(history)].map((what) => ({ promise: promise as Violation['promise'], what })),
  );
}

/** Each begin has a newer token. After it no other process commits or stores a step. */
function* checkWriter({ changes }: History): Iterable<string> {
  let writer: { readonly pid: number; readonly token: number } | undefined;
  for (const change of changes) {
    // The older copy has an earlier writer.
    if (change.kind === 'restored') writer = undefined;
    if (change.kind === 'begin') {
      if (writer !== undefined && change.token <= writer.token)
        yield `process ${change.pid} began under token ${change.token} after token ${writer.token}`;
      writer = change;
    }
    if (change.kind === 'commit' && writer !== undefined && change.pid !== writer.pid)
      yield `process ${change.pid} committed ${change.number} while the run was process ${writer.pid}'s`;
    if (change.kind === 'step' && change.worker !== change.pid)
      yield `${change.step} was stored by process ${change.worker} while the run was process ${change.pid}'s`;
  }
}

/** Each commit has the number after the previous one, and a begin continues from there. */
function* checkNumbers({ changes }: History): Iterable<string> {
  let known: number | undefined;
  for (const change of changes) {
    if (change.kind === 'restored') known = undefined;
    if (change.kind === 'begin') {
      if (known !== undefined && change.number !== known)
        yield `a run at commit ${known} was begun at ${change.number}`;
      known = change.number;
    }
    if (change.kind !== 'commit') continue;
    const before = known ?? change.before;
    if (change.before !== before || change.number !== before + 1)
      yield `process ${change.pid} committed ${change.number} after commit ${before}`;
    known = change.number;
  }
}

/** The process that got the confirmation of a step has stored it, and it stays unless an older copy is restored. */
function* checkConfirmed({ entries, changes, final }: History): Iterable<string> {
  const pids = pidsOf(entries);
  const done = new Set(final.steps.filter(({ status }) => status === 'done').map(({ step }) => step));
  const lastRestore = entries.findLast(({ kind }) => kind === 'restored')?.at ?? -Infinity;
  for (const entry of entries) {
    if (entry.kind !== 'confirmed') continue;
    const { step, by } = entry;
    const isStored = changes.some(
      (change) => change.kind === 'step' && change.step === step && change.worker === pids.get(by),
    );
    if (!isStored) yield `${step} was confirmed to ${by}, which never stored it`;
    if (entry.at > lastRestore && !done.has(step)) yield `${step} was confirmed to ${by}, and is not stored at the end`;
  }
}

/** The file of a process that exits with 0 is that of an undisturbed run, and equals the registry. */
function* checkExports({ entries, expected, final, files }: History): Iterable<string> {
  for (const { by, lines } of entries.filter((entry) => entry.kind === 'exported')) {
    const end = entries.find((entry) => entry.kind === 'ended' && entry.by === by);
    if (end?.kind !== 'ended' || end.exitCode !== 0) continue;
    yield* compare(lines, expected).map((what) => `${by} ended with exit code 0, and its file has ${what}`);
  }
  for (const lines of files) yield* compare(lines, expected).map((what) => `the file of the completed run has ${what}`);
  if (final.run['status'] === 'completed')
    yield* compare(final.records, expected).map((what) => `the completed run has ${what}`);
}

function* checkCounts({ copies, final }: History): Iterable<string> {
  for (const state of [...copies, final]) {
    const { run, steps, records } = state;
    const column = (name: string) => Number(run[name]);
    const count = (status: string) => steps.filter((step) => step.status === status).length;
    const rows = { done: count('done'), failed: count('failed'), skipped: count('skipped'), records: records.length };
    for (const [name, number] of Object.entries(rows))
      if (column(name) !== number) yield `the column ${name} is ${column(name)} with ${number} rows`;
    const parts = ['queued', 'running', 'done', 'failed', 'cancelled', 'skipped'];
    const sum = parts.reduce((total, part) => total + column(part), 0);
    if (column('total') !== sum) yield `total is ${column('total')}, and its parts are ${sum}`;
    if (run['status'] === 'completed' && sum !== steps.length) yield `total is ${sum} with ${steps.length} steps`;
  }
}

/** A session starts once and ends once. A run ends at most once for each begin, or if it was cancelled before. */
function* checkEvents({ final }: History): Iterable<string> {
  const bySession = Map.groupBy(
    final.events.filter(({ session }) => session !== null),
    ({ session, type }) =>
      `${/^session_(dead|ended|expired|timeout)$/.test(type) ? 'the end' : type} of session ${session}`,
  );
  for (const [what, { length }] of bySession) if (length > 1) yield `${what} was recorded ${length} times`;
  let isOpen = true;
  for (const { type, run, status } of final.events) {
    if (run !== RUN) continue;
    if (type === 'run_started' || type === 'run_resumed') isOpen = true;
    if (type !== 'run_ended') continue;
    if (!isOpen) yield `run_ended (${status}) was recorded again`;
    isOpen = false;
  }
}

function* checkTokens({ changes }: History): Iterable<string> {
  const sessions = new Map<number, string>();
  for (const change of changes) {
    if (change.kind !== 'claim') continue;
    const known = sessions.get(change.token);
    if (known !== undefined) yield `token ${change.token} was issued to the sessions ${known} and ${change.session}`;
    sessions.set(change.token, change.session);
  }
}

/** A process that works on the run while the registry is replaced by an older copy does not end as if nothing was missing. */
function* checkRestores({ entries }: History): Iterable<string> {
  const pids = pidsOf(entries);
  for (const restored of entries) {
    if (restored.kind !== 'restored') continue;
    const { before, after } = restored;
    const isLoss = before.writer !== after.writer || after.commitNumber < before.commitNumber;
    if (before.token === null || !isLoss) continue;
    const end = entries.find(
      (entry) => entry.kind === 'ended' && entry.at > restored.at && pids.get(entry.by) === before.pid,
    );
    if (end?.kind !== 'ended' || LOSSES.has(end.code ?? '')) continue;
    const lost = `commits ${after.commitNumber + 1} to ${before.commitNumber}`;
    yield `${end.by} lost ${lost}, and ended as ${end.status} (${end.code ?? 'no error'})`;
  }
}

/** After a process has requested a session of the owner, no other process sends under an older one, except the DELETE that ends it. */
function* checkSenders({ entries }: History): Iterable<string> {
  const starts = entries.filter((entry) => entry.kind === 'command' && entry.session === undefined);
  const reported = new Set<string>();
  const excused = new Set<number>();
  for (const entry of entries) {
    if (entry.kind !== 'called' && (entry.kind !== 'command' || entry.session === undefined)) continue;
    if (entry.kind === 'command' && HARMLESS_COMMANDS.has(entry.command)) continue;
    const own = starts.findLast(({ at, by }) => by === entry.by && at <= entry.at);
    const rival = starts.find(
      ({ at, by }) => by !== entry.by && at > (own?.at ?? -Infinity) && at + IN_FLIGHT_LIMIT_MS < entry.at,
    );
    if (rival === undefined || reported.has(entry.by)) continue;
    // A process may have begun one request when it was suspended: it was allowed and waited for its connection.
    const woken = entries.findLast(
      (one) => one.kind === 'fault' && one.what === 'woken' && one.by === entry.by && one.at <= entry.at,
    );
    if (woken !== undefined && entry.at - woken.at <= IN_FLIGHT_LIMIT_MS && !excused.has(woken.at)) {
      excused.add(woken.at);
      continue;
    }
    reported.add(entry.by);
    const after = Math.round(entry.at - rival.at);
    yield `${entry.by} sent ${entry.kind === 'called' ? `the call for ${entry.step}` : entry.command} for ${OWNER} ${after} ms after ${rival.by} had begun a session`;
  }
}

/** No process hangs or ends by an error of the program. The last process, which is undisturbed, completes the run. */
function* checkEnd({ entries, final }: History): Iterable<string> {
  for (const entry of entries) {
    if (entry.kind === 'hung') yield `${entry.by} did not end`;
    if (
      entry.kind === 'exited' &&
      entry.signal !== 'SIGKILL' &&
      !entries.some(({ kind, by }) => kind === 'ended' && by === entry.by)
    )
      yield `${entry.by} ended by ${entry.signal ?? `exit code ${entry.exitCode}`} without an outcome`;
  }
  const end = entries.find((entry) => entry.kind === 'ended' && entry.by === LAST);
  if (end?.kind === 'ended' && end.exitCode !== 0)
    yield `the last process ended with exit code ${end.exitCode}: ${end.status} (${end.code})`;
  if (final.run['status'] !== 'completed') yield `the run is ${String(final.run['status'])} at the end`;
}

function compare(lines: readonly string[], expected: readonly string[]): string[] {
  const found: string[] = [];
  const missing = expected.filter((line) => !lines.includes(line));
  const foreign = lines.filter((line) => !expected.includes(line));
  const doubled = lines.filter((line, index) => lines.indexOf(line) !== index);
  if (missing.length > 0) found.push(`not the records ${missing.join(' ')}`);
  if (foreign.length > 0) found.push(`foreign records ${foreign.join(' ')}`);
  if (doubled.length > 0) found.push(`records twice: ${doubled.join(' ')}`);
  if (found.length === 0 && lines.some((line, index) => line !== expected[index]))
    found.push('another order of records');
  return found;
}

function pidsOf(entries: readonly Entry[]): ReadonlyMap<string, number> {
  return new Map(entries.flatMap((entry) => (entry.kind === 'began' ? [[entry.by, entry.pid]] : [])));
}
