import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { format } from 'prettier';

const PREFIX = 'webdriver_supervisor_';
const HISTOGRAMS = ['session_death_detection_seconds', 'session_recovery_seconds'];
/** The metrics that the monitor exports. */
const METRICS = [
  'sessions',
  'sessions_created_total',
  'sessions_reused_total',
  'session_reuse_ratio',
  'rapid_session_creates_total',
  'context_loss_total',
  'session_deaths_total',
  ...HISTOGRAMS.flatMap((name) => [`${name}_bucket`, `${name}_sum`, `${name}_count`]),
  'work_cancelled_total',
  'runs',
  'run_steps_total',
  'heartbeat_age_seconds',
  'cleanup_runs_total',
  'cleanup_removed_total',
  'cleanup_failures_total',
  'cleanup_last_run_timestamp_seconds',
  'cleanup_duration_seconds',
  'average_session_duration_seconds',
  'registry_size_bytes',
  'process_resident_memory_bytes',
  'monitor_data_bytes',
  'registry_up',
  'stuck_sessions',
  'long_running_sessions',
  'monitor_is_leader',
].map((name) => PREFIX + name);

const RULES = 'config/prometheus-rules.yml';
const RULES_TEST = 'config/prometheus-rules.test.yml';
const SCRAPE = 'config/prometheus.yml';
const COMPOSE = 'config/compose.yml';
const UNIT = 'config/webdriver-supervisor-monitor.service';

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}

describe('config: YAML files', () => {
  for (const file of [RULES, RULES_TEST, SCRAPE, COMPOSE]) {
    it(`${file} is YAML`, async () => {
      expect(await format(readFileSync(file, 'utf8'), { parser: 'yaml' })).to.be.a('string');
    });
  }
});

describe('config: rules for Prometheus', () => {
  const rules = readFileSync(RULES, 'utf8');
  const alerts = rules.split(/^ {6}- alert: /m).slice(1);

  it('use only metrics that the monitor exports (R310)', () => {
    expect(unknownMetrics(rules)).to.deep.equal([]);
    expect(unknownMetrics(readFileSync(RULES_TEST, 'utf8'))).to.deep.equal([]);
  });

  it('include one for the create rate of an owner and two for the reuse of sessions (R310)', () => {
    expect(rules).to.match(/sessions_created_total\{owner!~"\|other"\}\[5m\]\)\) > 0\.1$/m);
    expect(rules)
      .to.match(/< 0\.95 >= 0\.90$/m)
      .and.match(/^ +< 0\.90$/m);
  });

  it('have the required thresholds for clean-up, memory and concurrent sessions (R412)', () => {
    expect(rules).to.contain('> 0.05').and.contain('> 20 * 60');
    expect(rules).to.contain('monitor_data_bytes > 100 * 1024 * 1024');
    expect(rules).to.contain('sessions{status="active"}) > 1000');
  });

  for (const alert of alerts) {
    it(`${alert.split('\n')[0]} has a severity, the problem and the command to type`, () => {
      expect(alert).to.match(/severity: (warning|critical)$/m);
      expect(alert).to.match(/summary: '.+'$/m);
      expect(alert).to.match(/description: >-\n(\s+.+\n?)+/);
      expect(alert.replace(/\s+/g, ' ')).to.match(
        /npm run (health|reset-stuck|sessions|runs|metrics|doctor|monitor)\b/,
      );
    });
  }
});

describe('config: promtool', () => {
  before(function () {
    if (!isInstalled('promtool')) this.skip();
  });

  it('accepts the rules', () => {
    expect(promtool('check', 'rules', RULES)).to.equal('');
  });

  it('passes the tests of the alerts', () => {
    expect(promtool('test', 'rules', RULES_TEST)).to.equal('');
  });

  it('accepts the scrape settings and the rules that they name', () => {
    expect(promtool('check', 'config', SCRAPE)).to.equal('');
  });

  it('parses every query of the dashboard', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'rules-'));
    try {
      const file = path.join(folder, 'queries.yml');
      const rulesOfQueries = queriesOf(readPanels()).map((expr, index) => ({ record: `query:${index}`, expr }));
      // JSON is YAML.
      writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules: rulesOfQueries }] }));
      expect(promtool('check', 'rules', file)).to.equal('');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('config: dashboard for Grafana', () => {
  const panels = readPanels();
  const charts = panels.filter(({ type }) => type !== 'row');

  it('queries only metrics that the monitor exports', () => {
    expect(unknownMetrics(queriesOf(panels).join('\n'))).to.deep.equal([]);
  });

  it('shows every metric that the monitor exports', () => {
    const shown = new Set(metricsOf(queriesOf(panels).join('\n')));
    expect(METRICS.filter((name) => !shown.has(name))).to.deep.equal([]);
  });

  it('gets its data source and its registry from its variables', () => {
    const sources = charts.flatMap(({ datasource, targets = [] }) => [
      datasource,
      ...targets.map((each) => each.datasource),
    ]);
    expect(new Set(sources.map((source) => source?.uid))).to.deep.equal(new Set(['${datasource}']));
    expect(
      charts.flatMap(({ targets = [] }) => targets).filter(({ expr }) => !expr.includes('job=~"$job"')),
    ).to.deep.equal([]);
  });

  it('explains each panel, and no two panels overlap', () => {
    expect(charts.filter(({ description = '' }) => description === '')).to.deep.equal([]);
    expect(new Set(panels.map(({ id }) => id)).size).to.equal(panels.length);
    const places = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_unused, index) => `${x + (index % w)} ${y + Math.floor(index / w)}`),
    );
    expect(new Set(places).size).to.equal(places.length);
    expect(panels.filter(({ gridPos: { x, w } }) => x + w > 24)).to.deep.equal([]);
  });
});

describe('config: the monitor as a service', () => {
  const unit = readFileSync(UNIT, 'utf8');
  const compose = readFileSync(COMPOSE, 'utf8');

  it('is always started again 10 s after its end (R211)', () => {
    expect(unit)
      .to.match(/^Restart=always$/m)
      .and.match(/^RestartSec=10$/m)
      .and.match(/^StartLimitIntervalSec=0$/m);
  });

  it('can see the folders and processes of the browsers that it ends', () => {
    expect(unit).to.not.match(/^(PrivateTmp|PrivateUsers|PrivatePIDs|ProtectProc|MemoryDenyWriteExecute)=/m);
  });

  it('is a unit that systemd accepts', function () {
    if (!isInstalled('systemd-analyze')) return this.skip();
    const folder = mkdtempSync(path.join(tmpdir(), 'unit-'));
    try {
      const project = path.join(folder, 'project');
      symlinkSync(process.cwd(), project);
      const file = path.join(folder, path.basename(UNIT));
      writeFileSync(file, unit.replaceAll('/opt/webdriver-supervisor', project));
      const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' });
      // systemd-analyze also checks the machine's own units. It reports ignored settings with exit code 0.
      expect((stdout + stderr).split('\n').filter((line) => line.includes(path.basename(UNIT)))).to.deep.equal([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('listens in containers only for this machine, and only with a token', () => {
    const ports = [...compose.matchAll(/^ +- '([\d.:]+:\d+:\d+)'$/gm)].map(([, port]) => port);
    expect(ports).to.deep.equal(['127.0.0.1:5432:5432', '127.0.0.1:9464:9464']);
    expect(compose)
      .to.contain('MONITOR_TOKEN: ${MONITOR_TOKEN:?')
      .and.contain('POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?');
  });

  it('has a compose file that docker accepts', function () {
    if (spawnSync('docker', ['compose', 'version']).status !== 0) return this.skip();
    const env = { ...process.env, MONITOR_TOKEN: 'token', POSTGRES_PASSWORD: 'password' };
    const { status, stderr } = spawnSync('docker', ['compose', '-f', COMPOSE, 'config', '--quiet'], {
      encoding: 'utf8',
      env,
    });
    expect({ status, stderr }).to.deep.equal({ status: 0, stderr: '' });
  });
});

function metricsOf(text: string): string[] {
  return text.match(/\bwebdriver_supervisor_\w+/g) ?? [];
}

function unknownMetrics(text: string): string[] {
  return metricsOf(text).filter((name) => !METRICS.includes(name));
}

function readPanels(): Panel[] {
  return (JSON.parse(readFileSync('config/grafana-dashboard.json', 'utf8')) as { panels: Panel[] }).panels;
}

/** The queries as Prometheus gets them: Grafana inserts the values of the variables. */
function queriesOf(panels: readonly Panel[]): string[] {
  const choices: Readonly<Record<string, string>> = { $job: 'job', $__rate_interval: '5m', $__range: '6h' };
  return panels
    .flatMap(({ targets = [] }) => targets)
    .map(({ expr }) => expr.replace(/\$\w+/g, (name) => choices[name] ?? name));
}

function isInstalled(program: string): boolean {
  return spawnSync(program, ['--version']).error === undefined;
}

/** Returns the complaints; empty if there are none. */
function promtool(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
  return status === 0 ? '' : stdout + stderr;
}
