import { expect } from 'chai';

import { openRegistry, type NewAlert, type Registry } from '../../src/registry/registry.ts';
import { rawSql } from '../support/raw-sql.ts';
import { describeOnBoth } from '../support/registries.ts';

const ALERT: NewAlert = {
  key: 'stuck run-1',
  rule: 'stuck',
  severity: 'critical',
  message: 'no progress for 31 min',
  next: 'npm run health',
  owner: 'ann',
  runId: 'run-1',
  sessionId: null,
};

describeOnBoth('AlertLog', (registries) => {
  let url: string;
  let registry: Registry;

  beforeEach(async () => {
    url = await registries.url();
    registry = await openRegistry(url);
  });

  afterEach(() => registry.close());

  const types = async () => (await rawSql(url, 'select type from events order by id')).map(({ type }) => type);

  it('raises an alert once, however often and by how many callers it is found (R208)', async () => {
    const raised = await Promise.all([registry.alerts.raise(ALERT), registry.alerts.raise(ALERT)]);
    expect(raised.filter(Boolean)).to.have.length(1);
    expect(await registry.alerts.raise({ ...ALERT, message: 'no progress for 32 min' })).to.equal(false);
    const [alert] = await registry.alerts.list();
    expect(alert).to.include({ key: ALERT.key, status: 'firing', message: 'no progress for 32 min' });
    expect(await types()).to.deep.equal(['alert_firing']);
  });

  it('ends an alert once, and raises it again afterwards with a new start time', async () => {
    await registry.alerts.raise(ALERT);
    const end = { status: 'recovered', message: 'it goes on' } as const;
    expect(await registry.alerts.end(ALERT.key, end)).to.equal(true);
    expect(await registry.alerts.end(ALERT.key, end)).to.equal(false);
    await rawSql(url, `update alerts set since = '2020-01-01T00:00:00.000Z'`);
    expect(await registry.alerts.raise(ALERT)).to.equal(true);
    expect((await registry.alerts.list())[0]?.since).to.not.equal('2020-01-01T00:00:00.000Z');
    expect(await types()).to.deep.equal(['alert_firing', 'alert_recovered', 'alert_firing']);
  });

  it('stores which notice each sink got, also for a later monitor', async () => {
    await registry.alerts.raise(ALERT);
    const notice = { status: 'firing', since: (await registry.alerts.list())[0]?.since ?? '' } as const;
    await registry.alerts.noteDelivered(ALERT.key, 'slack', notice);
    await registry.alerts.noteDelivered(ALERT.key, 'email', notice);
    await using later = await openRegistry(url);
    expect((await later.alerts.list())[0]?.delivered).to.deep.equal({ slack: notice, email: notice });
  });

  it('stores the notices of several sinks that are notified at the same time', async () => {
    await registry.alerts.raise(ALERT);
    const notice = { status: 'firing', since: (await registry.alerts.list())[0]?.since ?? '' } as const;
    const names = Array.from({ length: 8 }, (_unused, index) => `sink ${index}`);
    await Promise.all(names.map((name) => registry.alerts.noteDelivered(ALERT.key, name, notice)));
    expect(Object.keys((await registry.alerts.list())[0]?.delivered ?? {})).to.have.members(names);
  });

  it('removes old alerts that are over, and never a firing one', async () => {
    await registry.alerts.raise(ALERT);
    const future = new Date(Date.now() + 60_000).toISOString();
    expect(await registry.alerts.removeEnded(future)).to.equal(0);
    await registry.alerts.end(ALERT.key, { status: 'closed', message: 'it is gone' });
    expect(await registry.alerts.removeEnded(future)).to.equal(1);
    expect(await types()).to.deep.equal(['alert_firing']);
  });
});
