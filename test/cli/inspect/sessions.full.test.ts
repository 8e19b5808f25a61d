import path from 'node:path';

import { expect } from 'chai';

import { NO_DIAGNOSIS } from '../../../src/model/death.ts';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import { thisProcess } from '../../../src/driver/driver.ts';
import { openRegistry, type Registry } from '../../../src/registry/registry.ts';
import { insertSession, rawSql } from '../../support/raw-sql.ts';
import { makeTestConfig, runScripted } from '../../support/scripted-run.ts';
import { runCli, STACK_LINE, type CliResult, type Folder } from '../cli.ts';
import { useRegistryFolder } from './registry-folder.ts';

const HOUR_MS = 3_600_000;
const { host, pid, identity } = thisProcess();
const HERE = { host, pid, process_identity: identity };
/** A pid that another process has got since. */
const GONE = { ...HERE, process_identity: identity.replace(/[^/]*$/, '1') };

type Columns = Parameters<typeof insertSession>[0];

const held = () => ({ lease_expires_ms: Date.now() + HOUR_MS });
const over = (status: string, hours: number): Columns => {
  const at = new Date(Date.now() - hours * HOUR_MS).toISOString();
  return { status, created_at: at, started_at: at, last_used_at: at, ended_at: at };
};

describe('sessions', () => {
  let folder: Folder;
  let url: string;
  let registry: Registry;

  const opened = useRegistryFolder();
  beforeEach(() => {
    ({ folder, url, registry } = opened());
  });

  const sessions = (args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<CliResult> =>
    runCli(['sessions', ...args], {
      cwd: folder.path,
      environment: { REGISTRY_URL: url, ...environment },
    });

  async function fill(rows: Readonly<Record<string, Columns>>, target = url): Promise<void> {
    for (const [id, columns] of Object.entries(rows))
      await rawSql(target, insertSession({ id, owner: `owner of ${id}`, ...columns }));
  }

  it('lists live sessions, and with --all those that are over, in lines of 80 and 120 columns', async () => {
    await fill({
      'aaaaaaaa-live': { ...HERE, ...held(), owner: 'o'.repeat(300), run_id: '20261127-000001-aaaaaa' },
      'bbbbbbbb-gone': {
        ...GONE,
        ...held(),
        owner: '漢字'.repeat(100),
        created_at: new Date(Date.now() - 1).toISOString(),
      },
      'cccccccc-lapsed': { host: 'h'.repeat(100), owner: '\u001b[2Jclear', ...over('active', 1), ended_at: null },
      'dddddddd-dead': { run_id: 'r'.repeat(200), ...over('dead', 2) },
      'eeeeeeee-damaged': { created_at: 'yesterday', ...HERE, ...held() },
    });
    const [current, narrow, wide, json] = await Promise.all([
      sessions([]),
      sessions(['list', '--all'], { COLUMNS: '80' }),
      sessions(['list', '--all'], { COLUMNS: '120' }),
      sessions(['--json']),
    ]);
    for (const [columns, { stdout, stderr, code }] of [
      [80, narrow],
      [120, wide],
    ] as const) {
      expect([code, stderr]).to.deep.equal([0, '']);
      const lines = stdout.split('\n').slice(0, 5);
      for (const line of lines) {
        const width = Array.from(line).reduce((sum, letter) => sum + (/[漢字]/.test(letter) ? 2 : 1), 0);
        expect(width, line).to.be.at.most(columns);
      }
      expect(lines[0]).to.match(/^ID +OWNER +STATUS +AGE +HEARTBEAT +RUN +WHERE$/);
      expect(lines.slice(1).map((line) => /^\S+/.exec(line)?.[0])).to.deep.equal([
        'aaaaaaaa',
        'bbbbbbbb',
        'cccccccc',
        'dddddddd',
      ]);
      expect(lines[2]).to.match(/[漢字]….*字 +process gone /);
      expect(lines[3]).to.match(/clear +lease lapsed /);
      expect(stdout).to.include('5 sessions: 4 active, 1 dead\n');
    }
    expect(current.stdout).to.not.include('dddddddd');
    expect(current.stdout)
      .to.include('1 session without a process')
      .and.include('1 row damaged, and not shown.')
      .and.include('webdriver-supervisor sessions list --all\n');
    const listed = JSON.parse(json.stdout) as { id: string; isProcessGone: boolean }[];
    expect(listed.map(({ id, isProcessGone }) => [id, isProcessGone])).to.deep.equal([
      ['aaaaaaaa-live', false],
      ['bbbbbbbb-gone', true],
      ['cccccccc-lapsed', false],
    ]);
    const { isProcessGone: _isProcessGone, ...first } = listed[0]!;
    expect(first).to.deep.equal(await registry.sessions.get('aaaaaaaa-live'));
  });

  it('shows all details of a session without secrets, and the possible commands', async () => {
    await fill({
      'aaaaaaaa-dead': {
        ...over('dead', 2),
        run_id: 'some-run',
        death: JSON.stringify({ cause: 'frozen', detectedBy: 'heartbeat', message: 'no answer for 3 s' }),
        label: 'token=abc',
        data: JSON.stringify({ password: 'secret', page: 3 }),
      },
      'bbbbbbbb-live': { ...HERE, ...held(), driver_pid: 11, browser_pid: 12 },
    });
    const [dead, live, json] = await Promise.all([
      sessions(['show', 'aaaa']),
      sessions(['show', 'live']),
      sessions(['show', 'aaaaaaaa-dead', '--json']),
    ]);
    expect(dead.stdout.split('\n')).to.include.members([
      'id         aaaaaaaa-dead',
      'owner      owner of aaaaaaaa-dead',
      'status     dead',
      'death      frozen, noticed by heartbeat: no answer for 3 s',
      'label      token=***',
      'data       {"password":"***","page":3}',
      'next       webdriver-supervisor runs show some-run',
    ]);
    expect(live.stdout)
      .to.match(new RegExp(`^process +${host}:${pid}, driver 11, browser 12$`, 'm'))
      .and.match(/^lease +runs out in 59 min unless it is renewed$/m)
      .and.match(/^next +webdriver-supervisor sessions end bbbbbbbb$/m);
    expect(JSON.parse(json.stdout)).to.deep.include({
      id: 'aaaaaaaa-dead',
      status: 'dead',
      death: { cause: 'frozen', detectedBy: 'heartbeat', message: 'no answer for 3 s', diagnosis: NO_DIAGNOSIS },
      label: 'token=***',
      data: { password: '***', page: 3 },
      isProcessGone: false,
    });
  });

  it('ends a session of another process, also by its WebDriver id: that process halts, the browser ends, the run can be resumed', async () => {
    await using server = await openScriptedWebDriver();
    let ended: CliResult | undefined;
    let again: CliResult | undefined;
    let diedAfterMs = 0;
    const { outcome } = await runScripted({
      server,
      owner: 'ann',
      run: async ({ session, signal }) => {
        ended = await sessions(['end', session.id]);
        const startedAt = performance.now();
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        diedAfterMs = performance.now() - startedAt;
        again = await sessions(['end', (await registry.sessions.list())[0]!.id.slice(0, 8), '--json']);
        signal.throwIfAborted();
      },
      options: { registry, config: makeTestConfig(), output: false, supervisor: { heartbeatIntervalMs: 200 } },
    });
    expect(ended!.stdout.replaceAll('\n', ' '))
      .to.match(
        /^The session \w{8} of "ann" is ended\. Its browser is ended; its process \(pid \d+\) notices this within seconds\./,
      )
      .and.include(`webdriver-supervisor run scripted --resume ${outcome.runId}`);
    expect(ended).to.include({ code: 0, stderr: '' });
    expect(diedAfterMs).to.be.below(5_000);
    expect(outcome.status).to.equal('halted');
    expect(outcome.error?.message).to.include('ended by a person');
    expect(server.sessionIds).to.deep.equal([]);
    expect(JSON.parse(again!.stdout)).to.include({ owner: 'ann', status: 'ended', errorMessage: 'ended by a person' });
    expect(await registry.sessions.count({ status: ['starting', 'active'] })).to.equal(0);
  });

  it('ends the leftovers of a process that is gone, and reports a session that is already over', async () => {
    await fill({ 'gone-1': { ...GONE, ...held() }, 'dead-1': over('dead', 2) });
    const [gone, dead] = await Promise.all([sessions(['end', 'gone-1']), sessions(['end', 'dead-1'])]);
    expect(gone.stdout.replaceAll('\n', ' ')).to.match(
      /: its process \(pid \d+\) was gone\. Its leftovers are removed, and the owner is free\. $/,
    );
    expect(dead.stdout).to.match(/^The session dead-1 of "owner of dead-1" is over already: dead 2 h ago\.\n$/);
    expect(await registry.sessions.get('gone-1')).to.include({ status: 'expired' });
  });

  /** Makes one session of each kind. */
  const history = (): Record<string, Columns> => ({
    live: { ...HERE, ...held() },
    elsewhere: { ...held() },
    suspended: { ...HERE },
    gone: { ...GONE, ...held() },
    lapsed: {},
    damaged: { ...over('dead', 2), created_at: 'yesterday', ended_at: null },
    'dead young': over('dead', 0.1),
    'dead old': over('dead', 2),
    'timed out': over('timed_out', 30),
    'ended young': over('ended', 0.1),
    'ended old': over('ended', 7),
    expired: over('expired', 8),
  });

  const CLEANUPS: readonly { flags: readonly string[]; removes: readonly string[]; closes: number }[] = [
    { flags: [], removes: ['dead old', 'timed out', 'ended old', 'expired'], closes: 2 },
    { flags: ['--older-than', '24'], removes: ['timed out'], closes: 2 },
    { flags: ['--failed'], removes: ['dead young', 'dead old', 'timed out', 'damaged'], closes: 1 },
    { flags: ['--completed'], removes: ['ended young', 'ended old', 'expired', 'gone'], closes: 1 },
    { flags: ['--completed', '--older-than', '7.5'], removes: ['expired'], closes: 1 },
    {
      flags: ['--all'],
      removes: ['dead young', 'dead old', 'timed out', 'ended young', 'ended old', 'expired', 'gone', 'damaged'],
      closes: 1,
    },
  ];

  it('cleans up (R505): changes nothing without --execute, does with it what was printed, and never touches a live session', async () => {
    const cleanUp = async ({ flags, removes, closes }: (typeof CLEANUPS)[number], index: number) => {
      const own = `sqlite:${path.join(folder.path, `${index}.db`)}`;
      await (await openRegistry(own)).close();
      await fill(history(), own);
      const read = () => rawSql(own, 'select * from sessions order by id');
      const before = await read();
      const about = flags.join(' ') || 'by policy';

      const dry = await sessions(['cleanup', ...flags, '--json'], { REGISTRY_URL: own });
      expect(await read(), about).to.deep.equal(before);
      const plan = JSON.parse(dry.stdout) as Record<'remove' | 'keep' | 'close', Record<string, number>> & {
        damaged: string[];
        command: string;
      };
      const sum = (numbers: Record<string, number>) => Object.values(numbers).reduce((all, one) => all + one, 0);
      expect(sum(plan.remove), about).to.equal(removes.length);
      expect(sum(plan.close), about).to.equal(closes);
      expect(plan).to.deep.include({ isExecuted: false, damaged: ['damaged'] });
      expect(plan.command).to.equal(`webdriver-supervisor sessions ${['cleanup', ...flags].join(' ')} --execute`);

      // Those whose lease ran out have two heartbeats to renew it.
      const environment = { REGISTRY_URL: own, HEARTBEAT_INTERVAL_SECONDS: '0.1' };
      const done = await sessions(['cleanup', ...flags, '--execute', '--json'], environment);
      expect(JSON.parse(done.stdout), about).to.deep.include({
        isExecuted: true,
        removed: removes.length,
        closed: closes,
        mended: 1,
      });
      const left = await read();
      const expected = Object.keys(history()).filter((id) => !removes.includes(id));
      expect(
        left.map(({ id }) => id),
        about,
      ).to.have.members(expected);
      const live = left.filter(({ status }) => status === 'active').map(({ id }) => id);
      const stays = ['live', 'elsewhere', 'suspended', ...(closes === 1 ? ['lapsed'] : [])];
      expect(live, about).to.have.members(stays);
    };
    await Promise.all(CLEANUPS.map(cleanUp));
  });

  it('prints readably what would be cleaned, the command for it, and what was cleaned', async () => {
    await fill(history());
    const dry = await sessions(['cleanup', '--all']);
    expect(dry.stdout.replace(/(?<=\S)\n(?=\S)/g, ' ')).to.equal(
      [
        '--all is dangerous: it removes the whole history of sessions, also those that died a moment ago. Runs stay. ' +
          'Would remove 8 sessions: 2 ended, 3 dead, 1 timed_out, 2 expired. Would close 1 session whose process is gone. ' +
          'Would repair 1 damaged row. Would keep 4 active.',
        '',
        'Nothing is changed yet. To do it:',
        '  webdriver-supervisor sessions cleanup --all --execute',
        '',
      ].join('\n'),
    );
    const done = await sessions(['cleanup', '--all', '--execute']);
    expect(done).to.deep.equal({
      code: 0,
      stdout:
        'Removed 8 sessions: 2 ended, 3 dead, 1 timed_out, 2 expired.\n' +
        'Closed 1 session that no process holds any more.\nRepaired 1 damaged row.\n',
      stderr: '',
    });
  });

  it('prints for an empty registry how sessions start, and that there is nothing to clean', async () => {
    const [list, cleanup] = await Promise.all([sessions([]), sessions(['cleanup'])]);
    expect(list).to.deep.equal({
      code: 0,
      stdout: 'No sessions yet. Runs create them; begin one:\n  webdriver-supervisor run gather-catalog --help\n',
      stderr: '',
    });
    expect(cleanup).to.deep.equal({ code: 0, stdout: 'There is nothing to remove.\n', stderr: '' });
  });

  it('prints a problem and the way out in one message, and ends with 1 for a missing session, with 2 for wrong input', async () => {
    await fill({
      'aaaaaaaa-1': over('ended', 1),
      'aaaaaaaa-2': over('ended', 1),
      damaged: { created_at: 'yesterday' },
    });
    const commands: readonly (readonly [args: readonly string[], code: number, says: RegExp])[] = [
      [
        ['show', 'aaaabaaa'],
        1,
        /There is no session "aaaabaaa" in .*\. Did you mean aaaaaaaa\? .* sessions list --all\n$/,
      ],
      [['end', 'damaged'], 1, /The row of session damaged is damaged\. .* sessions cleanup --execute\n$/],
      [['end', 'aaaa'], 2, /"aaaa" fits 2: aaaaaaaa-\d, aaaaaaaa-\d\. Give more of the id\.\n$/],
      [['cleanup', '--failed', '--completed'], 2, /Choose one of --failed and --completed; --all means both\.\n$/],
      [['cleanup', '--failed', '--older-than', '1'], 2, /--older-than can be used with --completed or alone/],
      [['cleanup', '--older-than', '1e12'], 2, /--older-than is "1e12"; it must be a number of hours above 0/],
    ];
    const results = await Promise.all(commands.map(([args]) => sessions(args)));
    results.forEach(({ code, stdout, stderr }, index) => {
      const [args, expected, says] = commands[index]!;
      expect(stderr, args.join(' '))
        .to.match(says)
        .and.match(/^error: /)
        .and.not.match(STACK_LINE);
      expect([code, stdout, stderr.split('\n').length], args.join(' ')).to.deep.equal([expected, '', 2]);
    });
  });
});
