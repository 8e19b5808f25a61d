import { expect } from 'chai';

import { loadConfig } from '../../src/config/config.ts';
import { ConfigError } from '../../src/core/errors.ts';
import { Monitor } from '../../src/monitor/monitor.ts';
import { openRegistry } from '../../src/registry/registry.ts';
import { eventually } from '../support/eventually.ts';
import { describeOnSqlite } from '../support/registries.ts';
import { rejectionOf } from '../support/rejection.ts';
import { openMonitor } from './support/opened-monitor.ts';

describe('A monitor whose registry', () => {
  it('has a wrong address does not start', async () => {
    const config = loadConfig({ environment: { REGISTRY_URL: 'sqlite:/proc/nowhere/registry.db', MONITOR_PORT: '0' } });
    // A folder that can't be created may exist later: the monitor waits for it. A text that is not the URL of a registry stays invalid.
    const error = await rejectionOf(Monitor.open({ config: { ...config, registryUrl: 'mysql://planted:secret@db' } }));
    expect(error).to.be.instanceOf(ConfigError);
    expect(error.message).to.not.contain('secret');
  });
});

describeOnSqlite('Several monitors of one registry', (registries) => {
  it('have one leader, and another one when it stops (R402)', async () => {
    const url = await registries.url();
    const monitors = await Promise.all([openMonitor(url), openMonitor(url), openMonitor(url)]);
    const leaders = async () => {
      const answers = await Promise.all(monitors.map((monitor) => monitor.ask('/health')));
      return monitors.filter((_monitor, index) => answers[index]!.json.leader.is_leader === true);
    };
    try {
      const [first] = await eventually(async () => {
        const found = await leaders();
        return found.length > 0 && found;
      }, 'one leads');
      expect(await leaders()).to.have.length(1);
      monitors.splice(monitors.indexOf(first!), 1);
      await first!.close();
      const next = await eventually(async () => {
        const found = await leaders();
        return found.length > 0 && found;
      }, 'another one leads');
      expect(next).to.have.length(1);
    } finally {
      await Promise.all(monitors.map((monitor) => monitor.close()));
    }
  });

  it('report that they are not ready as soon as they are stopped, and release the leadership', async () => {
    const url = await registries.url();
    await using registry = await openRegistry(url);
    const monitor = await openMonitor(url);
    await eventually(async () => (await registry.leadership.current('monitor')) !== undefined, 'it becomes the leader');
    const closing = monitor.close();
    const ready = await monitor.ask('/readyz');
    expect(ready.status).to.equal(503);
    expect(ready.json).to.deep.equal({ status: 'unavailable', reason: 'The monitor is being stopped.' });
    await closing;
    expect(await registry.leadership.current('monitor')).to.equal(undefined);
    await rejectionOf(monitor.ask('/livez'));
  });
});
