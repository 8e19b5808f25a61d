/** Freezes the program of a run. The monitor, another program, then warns, times the run out, ends its browser and sends notifications. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { EventSource } from 'eventsource';
import { freeze, isAlive, unfreeze, waitUntilGone } from 'webdriver-supervisor/testing';

import { openDemoShop } from '../../scripts/demo-shop/demo-shop.ts';
import { openRegistry } from '../../src/registry/registry.ts';
import { openMailServer } from '../monitor/support/mail-server.ts';
import { openSlackServer } from '../monitor/support/slack-server.ts';
import { eventually } from '../support/eventually.ts';
import { Program } from './program.ts';

const PAGES = 6;
const NOTICE_LIMIT_MS = 30_000;

interface ReportedEvent {
  readonly type: string;
  readonly session_id: string | null;
  readonly run_id: string | null;
  readonly status: string | null;
  readonly message: string | null;
  readonly timestamp: string;
}

/** `then` decides whether the program is killed afterwards, or continues and detects the end. */
export async function holdUntilTimedOut(registryUrl: string, then: 'killed' | 'continued'): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'stuck-'));
  await using shop = await openDemoShop({ pages: PAGES });
  await using slack = await openSlackServer();
  await using mail = await openMailServer();
  await using registry = await openRegistry(registryUrl);
  const run = Program.start(
    ['run', 'gather-catalog', '--url', shop.url, '--owner', 'ann', '--output', folder, '--json'],
    { env: { REGISTRY_URL: registryUrl } },
  );
  const monitor = Program.start(['monitor'], {
    env: {
      REGISTRY_URL: registryUrl,
      MONITOR_PORT: '0',
      SESSION_TIMEOUT_MINUTES: '0.08',
      SESSION_WARNING_THRESHOLD: '0.03',
      SESSION_HEALTH_CHECK_INTERVAL: '1',
      SLACK_WEBHOOK_URL: slack.hookUrl,
      SMTP_URL: `smtp://${mail.address}`,
      ALERT_EMAIL: 'oncall@example.org',
    },
  });
  try {
    const url = await eventually(async () => findUrl(monitor), 'the monitor listens');
    await using events = follow(`${url}/events?last=100`);
    await shop.waitForRequests('details', { more: 30, signal: run.signal });
    const browser = await run.browser();
    await freeze(run.pid);
    const [{ id } = { id: '' }] = await registry.runs.list({ limit: 1 });
    const before = await registry.runs.get(id);

    const warning = await events.next(({ type, run_id }) => type === 'session_warning' && run_id === id);
    expect(warning.message).to.match(/gather-catalog \(owner "ann"\) may be stuck: no progress for \d+ s/);
    const timeout = await events.next(({ type, run_id }) => type === 'session_timeout' && run_id === id);
    expect(timeout).to.include({ status: 'timed_out' });
    expect(timeout.session_id).to.be.a('string');
    await waitUntilGone([browser.pid]);

    const isTimedOut = (text: string) => /was stuck and was timed out/.test(text) && text.includes(`--resume ${id}`);
    await eventually(async () => slack.messages.some(({ text }) => isTimedOut(text)), 'Slack gets the time-out');
    await eventually(async () => mail.mails.some(({ text }) => isTimedOut(text)), 'a mail arrives');
    expect(Date.now() - Date.parse(timeout.timestamp)).to.be.below(NOTICE_LIMIT_MS);
    const count = slack.messages.filter(({ text }) => isTimedOut(text)).length;
    expect(count, 'notices of one alert').to.equal(1);

    const alerts = (await (await fetch(`${url}/alerts`)).json()) as { alerts: { rule: string; run_id: string }[] };
    expect(alerts.alerts.map(({ rule, run_id }) => [rule, run_id])).to.deep.equal([['stuck', id]]);
    const stored = await registry.runs.get(id);
    expect(stored).to.include({ status: 'timed_out', token: null });
    expect(stored?.error?.message).to.match(/no progress for .* are allowed; timed out by the monitor on /);
    expect(stored?.records).to.be.at.least(before?.records ?? Infinity);

    if (then === 'killed') process.kill(run.pid, 'SIGKILL');
    unfreeze(run.pid);
    const { code } = await run.ended();
    if (then === 'continued') {
      expect(code, run.stderr.join('\n')).to.equal(5);
      expect(run.outcome).to.deep.include({ runId: id, status: 'timed_out' });
      expect(run.outcome.deaths.at(-1)).to.include({ cause: 'timed_out' });
    }

    const resumed = Program.start(['run', 'gather-catalog', '--resume', id, '--json'], {
      env: { REGISTRY_URL: registryUrl },
    });
    expect((await resumed.ended()).code, resumed.stderr.join('\n')).to.equal(0);
    expect(resumed.outcome).to.deep.include({ runId: id, status: 'completed', records: PAGES * 20 });
    const data = readFileSync(path.join(folder, 'records.jsonl'), 'utf8');
    expect(data.trimEnd().split('\n')).to.deep.equal(shop.expectedRecords().map((record) => JSON.stringify(record)));
    await events.next(({ type, run_id }) => type === 'alert_recovered' && run_id === id);
    await eventually(async () => slack.messages.some(({ text }) => /RECOVERED/.test(text)), 'Slack gets the end');

    monitor.child.kill('SIGTERM');
    expect(await monitor.ended(), monitor.stderr.join('\n')).to.deep.equal({ code: 0, signal: null });
  } finally {
    for (const { pid } of [run, monitor]) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    rmSync(folder, { recursive: true });
  }
}

function findUrl({ stderr, signal }: Program): string | undefined {
  signal.throwIfAborted();
  return stderr.map((line) => /listens on (http:\/\/[\d.:]+)/.exec(line)?.[1]).find((url) => url !== undefined);
}

/** Subscribes to the events of the monitor. */
function follow(url: string) {
  const source = new EventSource(url);
  const seen: ReportedEvent[] = [];
  source.addEventListener('message', ({ data }) => seen.push(JSON.parse(data) as ReportedEvent));
  return {
    next: (isWanted: (event: ReportedEvent) => boolean) =>
      eventually(async () => seen.find(isWanted), `an event among ${JSON.stringify(seen.slice(-5))}`),
    [Symbol.asyncDispose]: async () => source.close(),
  };
}
