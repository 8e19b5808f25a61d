import path from 'node:path';

import { expect } from 'chai';

import { loadConfig } from '../../../src/config/config.ts';
import { Monitor } from '../../../src/monitor/monitor.ts';
import type { NewAlert } from '../../../src/registry/registry.ts';
import { describeOnSqliteAndInFullOnPostgres, describeOnSqlite } from '../../support/registries.ts';
import { makeFolder, runCli, STACK_LINE } from '../cli.ts';
import { addRun, addSession, useStage, widthOf } from './idle-rows.ts';

const RUN = '20261127-000001-aaaaaa';
const SESSION = '3f2a91c0-0000';

describeOnSqliteAndInFullOnPostgres('health', (registries) => {
  const stage = useStage('health', registries);

  it('prints what works, what is long-running and what is stuck, as GET /health/sessions does (R206, R207)', async () => {
    const { url, registry, run: health } = stage();
    await addRun(url, registry, { id: RUN, owner: 'ann', minutes: 45 });
    await addRun(url, registry, { id: 'long', minutes: 20 });
    await addRun(url, registry, { id: 'going', minutes: 1 });
    await addSession(url, { id: SESSION, owner: 'bob', minutes: 130 });
    const [text, json] = await Promise.all([health(), health(['--json'])]);
    expect(text.stdout.split('\n').slice(0, 11)).to.deep.equal([
      'health        critical: 2 stuck: no progress for more than 30 min',
      'sessions      4 in the registry, 4 of them active',
      'processing    3 with a run that is being worked on',
      'long-running  3 without progress for over 15 min (more than 3 are too many)',
      'stuck         2 without progress for over 30 min',
      'utilisation   3 % of MAX_SESSIONS (100) in the fullest process',
      'monitor       no monitor runs: webdriver-supervisor monitor',
      'clean-up      never yet',
      'alerts        none; without a monitor none is raised',
      '',
      'STATE  OWNER  RUN                     ACTION    IDLE  ALLOWED  WHERE',
    ]);
    expect(text.stdout)
      .to.match(/^stuck +bob +session 3f2a91c0 +– +2 h +30 min +\S+:7\nstuck +ann +20261127-000001-aaaaaa +gather/m)
      .and.match(/^long +long +long +gather +20 min +30 min +\S+:4711$/m)
      .and.match(/\nTo see what a reset would do, without any change:\n {2}webdriver-supervisor reset-stuck\n$/);
    expect([text.code, text.stderr, json.code, json.stderr]).to.deep.equal([1, '', 1, '']);
    expect(json.stdout.split('\n')).to.have.length(2);
    expect(JSON.parse(json.stdout)).to.deep.include({
      status: 'critical',
      metrics: { total_sessions: 4, processing_sessions: 3, long_running_sessions: 3, stuck_sessions: 2 },
      thresholds: { warning_minutes: 15, timeout_minutes: 30, max_long_running: 3 },
    });
    if (registries.kind !== 'sqlite') return;

    await using monitor = await Monitor.open({ config: quietConfig(url) });
    const ask = async (target: string) => (await fetch(monitor.url + target)).json() as Promise<object>;
    const served = { ...(await ask('/health/sessions')), ...(await ask('/health/sessions/stuck')) };
    const { count: _count, ...expected } = withoutTimes(served);
    expect(withoutTimes(JSON.parse(json.stdout) as object)).to.deep.equal(expected);
  });
});

describeOnSqlite('health: readable output', (registries) => {
  const stage = useStage('health', registries);
  const alert = (key: string, changes: Partial<NewAlert>): NewAlert => ({
    key,
    rule: key,
    severity: 'warning',
    message: `There is trouble with ${key}.`,
    next: null,
    owner: null,
    runId: null,
    sessionId: null,
    ...changes,
  });

  it('ends with 0 if all is well or there is a warning, with the reason and the way out (R206, R508)', async () => {
    const { url, registry, run: health } = stage();
    await addRun(url, registry, { id: RUN, minutes: 20 });
    await registry.metrics.recordCleanup({ what: 'by policy', removed: 7, durationMs: 3, errors: [] });
    await registry.leadership.acquire('monitor', { holder: 'me', process: { host: 'here', pid: 99 }, leaseMs: 60_000 });
    const [well, slow, full] = await Promise.all([
      health(),
      health([], { MAX_LONG_RUNNING_SESSIONS: '0' }),
      health([], { MAX_SESSIONS: '1' }),
    ]);
    expect(well.stdout)
      .to.include('health        healthy: nothing is stuck, and no limit is near\n')
      .and.match(/^monitor {7}here:99 leads, for \d+ s\nclean-up {6}last \d+ s ago\nalerts {8}none$/m)
      .and.match(/^long +20261127-000001-aaaaaa /m)
      .and.match(/\nTo see its progress:\n {2}webdriver-supervisor runs show aaaaaa\n$/);
    expect(slow.stdout)
      .to.match(/^health {8}warning: 1 without progress for more than 15 min; more than 0 are too many$/m)
      .and.match(/\nTo see the progress of the longest one:\n {2}webdriver-supervisor runs show aaaaaa\n$/);
    expect(full.stdout)
      .to.match(/^health {8}critical: a process has 100 % of the sessions that it may have$/m)
      .and.match(/\nTo see the owners of the sessions:\n {2}webdriver-supervisor sessions\n$/);
    expect([well, slow, full].map(({ code }) => code)).to.deep.equal([0, 0, 1]);
  });

  it('lists the firing alerts, each with its command, and ends with the first of them', async () => {
    const { registry, run: health } = stage();
    await registry.alerts.raise(alert('over', {}));
    await registry.alerts.end('over', { status: 'recovered', message: 'It is over.' });
    await registry.alerts.raise(alert('degradation', { next: 'webdriver-supervisor health' }));
    await registry.alerts.raise(alert('abandoned', { severity: 'critical', next: 'webdriver-supervisor run x' }));
    const { code, stdout } = await health();
    expect(stdout)
      .to.match(/^health {8}critical: 2 alerts fire: degradation, abandoned\n/)
      .and.include('alerts        2 fire, 1 of them critical, as the last monitor left them\n')
      .and.match(
        /\ncritical {2}There is trouble with abandoned\. \(for \d+ s\)\n {10}webdriver-supervisor run x\nwarning {3}There is trouble with degradation\. \(for \d+ s\)\n {10}webdriver-supervisor health\n/,
      )
      .and.match(/\nThe first alert advises:\n {2}webdriver-supervisor run x\n$/)
      .and.not.include('over.');
    expect(code).to.equal(1);
  });

  it('fits into 80 and 120 columns with any names of owners and alerts', async () => {
    const { url, registry, run: health } = stage();
    const owners = ['o'.repeat(500), '漢字'.repeat(100), '\u001b[2Jcle\nar'];
    for (const [index, owner] of owners.entries()) {
      const action = `gather-${'everything-'.repeat(9)}`;
      const run = { id: `20261127-00000${index}-aaaaaa`, owner, action, minutes: 100 - index };
      await addRun(url, registry, { ...run, host: 'worker.'.repeat(20) });
      await registry.alerts.raise(alert(`stuck ${index}`, { message: `Run of "${owner}" is stuck.`, next: 'x' }));
    }
    const leader = { holder: 'me', process: { host: 'monitor.'.repeat(20), pid: 99 }, leaseMs: 60_000 };
    await registry.leadership.acquire('monitor', leader);
    const results = await Promise.all(['80', '120'].map((COLUMNS) => health([], { COLUMNS })));
    results.forEach(({ stdout }, index) => {
      for (const line of stdout.split('\n')) expect(widthOf(line), line).to.be.at.most([80, 120][index]!);
      expect(stdout).to.not.include('\u001b');
      expect(stdout.match(/^stuck +\S.* \d+ min +30 min +work\S*…\S*4711$/gm)).to.have.length(3);
      expect(stdout).to.match(/^monitor +monitor\S*…\S*:99 leads, for \d+ s$/m);
    });
  });

  it('prints for a new registry how to begin, and that no monitor runs', async () => {
    using folder = makeFolder();
    const environment = { REGISTRY_URL: `sqlite:${path.join(folder.path, 'new', 'registry.db')}` };
    const { code, stdout, stderr } = await runCli(['health'], {
      cwd: folder.path,
      environment: { ...environment, npm_lifecycle_event: 'health' },
    });
    expect(stdout)
      .to.include('health        healthy: ')
      .and.include('monitor       no monitor runs: npm run monitor\n')
      .and.match(/\nNo session was created yet\. Begin a run:\n {2}npm run action -- gather-catalog --help\n$/);
    expect([code, stderr]).to.deep.equal([0, '']);
  });

  it('ends with 2 and one message if the registry can’t be used, as reset-stuck does', async () => {
    using folder = makeFolder({ text: 'This is no database, and long enough to be looked at by one.' });
    const environment = { REGISTRY_URL: `sqlite:${path.join(folder.path, 'text')}` };
    const commands = [
      ['health', '--json'],
      ['reset-stuck', '--execute'],
    ];
    const results = await Promise.all(commands.map((args) => runCli(args, { cwd: folder.path, environment })));
    for (const { code, stdout, stderr } of results) {
      expect(stderr)
        .to.match(/^error: [^\n]*text: file is not a database\. [^\n]*\n$/)
        .and.not.match(STACK_LINE);
      expect([code, stdout]).to.deep.equal([2, '']);
    }
  });
});

/** Starts a monitor that changes nothing. */
function quietConfig(url: string) {
  const environment = {
    REGISTRY_URL: url,
    MONITOR_PORT: '0',
    HEALTH_CHECK_ENABLED: 'false',
    SESSION_CLEANUP_ENABLED: 'false',
  };
  return loadConfig({ environment, folder: '/nonexistent' });
}

function withoutTimes(answer: object): Record<string, unknown> {
  return JSON.parse(
    JSON.stringify(answer, (name, value: unknown) =>
      name === 'timestamp' || name === 'processing_minutes' ? undefined : value,
    ),
  ) as Record<string, unknown>;
}
