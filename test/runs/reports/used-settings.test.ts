import { expect } from 'chai';

import { loadConfig, SETTING_NAMES } from '../../../src/config/config.ts';
import { listUsedSettings } from '../../../src/runs/reports/used-settings.ts';

/** Settings of the monitor, the clean-up, the alerts and the tests. */
const OF_OTHERS =
  /^(MONITOR|ALERT|SLACK|SMTP|METRICS|SESSION_CLEANUP|RUN_RETENTION|FAILURES|LOG_FORMAT|AUTO_TIMEOUT|.*HEALTH_CHECK|MAX_LONG_RUNNING|SESSION_MAX_MEMORY)/;

const read = (environment: Record<string, string>) => listUsedSettings(loadConfig({ environment, folder: '/nowhere' }));

describe('The settings in the report of a run', () => {
  it('are all that decide about a run, each with its default', () => {
    const settings = read({});
    expect(settings.map(({ name }) => name)).to.have.members(SETTING_NAMES.filter((name) => !OF_OTHERS.test(name)));
    expect(settings.filter(({ isDefault }) => !isDefault)).to.deep.equal([]);
  });

  it('have those that differ from their defaults first, by the names and units of the user, without secrets', () => {
    const [first, second, third] = read({
      COMMAND_TIMEOUT_SECONDS: '30',
      GRID_URL: 'http://ann:hunter2secret@grid:4444',
      BROWSER_ARGUMENTS: '--lang=de --proxy-auth=token=abc123def456',
    });
    expect(first).to.deep.equal({ name: 'GRID_URL', value: 'http://***@grid:4444/', isDefault: false });
    expect(second?.value).to.equal('--lang=de --proxy-auth=***');
    expect(third).to.deep.equal({ name: 'COMMAND_TIMEOUT_SECONDS', value: '30', isDefault: false });
  });
});
