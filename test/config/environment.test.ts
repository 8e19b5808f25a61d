import { expect } from 'chai';

import { browserEnvironment } from '../../src/config/environment.ts';

describe('browserEnvironment', () => {
  it('has what browsers read, and nothing else', () => {
    const read = {
      PATH: '/bin',
      HOME: '/home/ann',
      LC_ALL: 'de_DE.UTF-8',
      TZ: 'UTC',
      DISPLAY: ':0',
      XDG_RUNTIME_DIR: '/run/user/1',
      https_proxy: 'http://proxy.test:3128',
      NO_PROXY: 'localhost',
      CHROMIUM_FLAGS: '--mute-audio',
    };
    const ours = {
      REGISTRY_URL: 'postgres://ann:secret@db.test/runs',
      MONITOR_TOKEN: 'secret',
      SMTP_URL: 'smtp://ann:secret@mail.test',
      SLACK_WEBHOOK_URL: 'https://hooks.test/secret',
      AWS_SECRET_ACCESS_KEY: 'secret',
      NPM_TOKEN: 'secret',
      NODE_OPTIONS: '--inspect',
      MY_PATH: 'secret',
      PATHS: 'secret',
    };
    expect(browserEnvironment({}, { ...read, ...ours })).to.deep.equal(read);
  });

  it('has additions that win', () => {
    const environment = browserEnvironment({ HOME: '/elsewhere', LICENCE: '42' }, { HOME: '/home/ann', PATH: '/bin' });
    expect(environment).to.deep.equal({ HOME: '/elsewhere', LICENCE: '42', PATH: '/bin' });
  });
});
