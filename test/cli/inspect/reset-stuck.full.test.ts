import path from 'node:path';

import { expect } from 'chai';

import { openRegistry } from '../../../src/registry/registry.ts';
import type { RunOutcome } from '../../../src/runs/runs.ts';
import { descendantsOf, freeze, isAlive, unfreeze, waitUntilGone } from '../../../src/testing.ts';
import { literal, rawSql } from '../../support/raw-sql.ts';
import { describeOnSqlite } from '../../support/registries.ts';
import { makeFolder, openSite, ROOT, runCli, startCli } from '../cli.ts';
import { minutesAgo, statusesOf } from './idle-rows.ts';

const ACTION = path.join(ROOT, 'test', 'fixtures', 'actions', 'pages.ts');

describeOnSqlite('reset-stuck and a program that hangs', (registries) => {
  it('ends the browser; when the program continues, it ends as timed out, and its run can be resumed (R201, R213, R216)', async function () {
    this.timeout(60_000);
    const url = await registries.url();
    await using registry = await openRegistry(url);
    await using site = await openSite();
    using output = makeFolder();
    const options = { environment: { REGISTRY_URL: url } };
    const flags = ['--output', output.path, '--json'];
    await using cli = startCli(
      ['run', ACTION, '--url', site.url, '--pages', '3', '--pause-ms', '300', ...flags],
      options,
    );
    await site.visited('/2');
    await freeze(cli.pid);
    const browser = descendantsOf(cli.pid).filter(({ command }) => !command.includes('webdriver-supervisor-watchdog'));
    expect(browser).to.have.length.above(2);
    const [{ id } = { id: '' }] = await registry.runs.list();
    await rawSql(url, `update runs set last_progress_at = ${literal(minutesAgo(1))}`);

    const done = await runCli(['reset-stuck', '--timeout', '0.01', '--execute'], {
      environment: { REGISTRY_URL: url },
    });
    expect(done.stdout.replace(/\s+/g, ' ')).to.include(' Reset 1: 1 run; 1 session ended. ');
    const resume = /Resume the run:\n {2}webdriver-supervisor (.+)\n$/.exec(done.stdout)?.[1]?.split(' ') ?? [];
    expect(resume).to.deep.equal(['run', ACTION, '--resume', id]);
    expect(done).to.include({ code: 0, stderr: '' });
    await waitUntilGone(browser.map(({ pid }) => pid));
    expect(isAlive(cli.pid)).to.equal(true);
    expect(Object.values(await statusesOf(registry))).to.deep.equal(['timed_out', 'timed_out']);

    unfreeze(cli.pid);
    const ended = await cli.result;
    expect(JSON.parse(ended.stdout)).to.deep.include({ status: 'timed_out', runId: id });
    expect(ended.code).to.equal(5);
    expect(Object.values(await statusesOf(registry))).to.deep.equal(['timed_out', 'timed_out']);

    const resumed = await runCli([...resume, ...flags], options);
    const outcome = JSON.parse(resumed.stdout) as RunOutcome;
    expect(outcome).to.include({ status: 'completed', records: 3 });
    expect(outcome.counts).to.deep.equal({ total: 3, done: 3, failed: 0, cancelled: 0, skipped: 0 });
    expect(resumed.code).to.equal(0);
  });
});
