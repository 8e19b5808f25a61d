import { expect } from 'chai';

import { findMisspelled } from '../../src/core/did-you-mean.ts';
import { SETTING_NAMES } from '../../src/config/config.ts';

describe('Misspelled settings in the environment', () => {
  const find = (...names: string[]) => findMisspelled(names, SETTING_NAMES);

  for (const [typed, meant] of Object.entries({
    HEARTBEAT_INTERVAL_SECOND: 'HEARTBEAT_INTERVAL_SECONDS',
    MAX_SESIONS: 'MAX_SESSIONS',
    REGISTRY_UR: 'REGISTRY_URL',
    RUN_RETENTION_DAY: 'RUN_RETENTION_DAYS',
    HEADLES: undefined,
  })) {
    it(meant === undefined ? `${typed} is too short to be judged` : `${typed} names ${meant}`, () => {
      const expected =
        meant === undefined ? [] : [`The environment variable ${typed} is not a setting. Did you mean ${meant}?`];
      expect(find(typed)).to.deep.equal(expected);
    });
  }

  it('are not found among the names of settings and of common variables', () => {
    const common =
      'PATH HOME SHELL LANG LC_ALL TERM EDITOR LOGNAME DISPLAY HTTP_PROXY HTTPS_PROXY NO_PROXY CI NODE_ENV NODE_OPTIONS';
    const others =
      'GITHUB_TOKEN GITHUB_ACTIONS RUNNER_TEMP CHROME_PATH CHROME_BIN SE_CACHE_PATH JAVA_HOME XDG_RUNTIME_DIR DEBUG LOG_DIR';
    expect(find(...SETTING_NAMES, ...common.split(' '), ...others.split(' '))).to.deep.equal([]);
  });
});
