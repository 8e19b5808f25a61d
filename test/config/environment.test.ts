import { expect } from 'chai';

import { browserEnvironment } from '../../src/config/environment.ts';

describe('browserEnvironment', () => {
  it('has the variables that browsers read, and no others', () => {
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

  it('has the variables of desktops, graphics and sign-on', () => {
    const names =
      'KRB5CCNAME KRB5_CONFIG GDK_SCALE GSETTINGS_BACKEND GIO_MODULE_DIR LOCALE_ARCHIVE NIX_PATH NIXOS_OZONE_WL ' +
      '__GLX_VENDOR_LIBRARY_NAME __EGL_VENDOR_LIBRARY_DIRS DRI_PRIME GALLIUM_DRIVER VDPAU_DRIVER XMODIFIERS IBUS_ADDRESS ' +
      'XCURSOR_SIZE FREETYPE_PROPERTIES PIPEWIRE_REMOTE WAYLAND_SOCKET RES_OPTIONS CHROME_WRAPPER SNAP SNAP_NAME';
    const from = Object.fromEntries(names.split(' ').map((name) => [name, 'x']));
    expect(browserEnvironment({}, from)).to.deep.equal(from);
  });

  it('has the address of a proxy file without its password', () => {
    const from = { auto_proxy: 'http://ann:secret@proxy.test/a.pac?to=b@c', AUTO_PROXY: 'data:,FindProxy//@' };
    const expected = { ...from, auto_proxy: 'http://proxy.test/a.pac?to=b@c' };
    expect(browserEnvironment({}, from)).to.deep.equal(expected);
  });

  it('has no cookie of the desktop session', () => {
    expect(browserEnvironment({}, { SNAP_COOKIE: 'secret', XDG_SESSION_COOKIE: 'secret' })).to.deep.equal({});
  });

  for (const [value, expected] of [
    ['http://ann:secret@proxy.test:3128', 'http://proxy.test:3128'],
    ['http://ann:se@c/ret@proxy.test:3128/', 'http://proxy.test:3128/'],
    ['socks5://ann@proxy.test', 'socks5://proxy.test'],
    ['ann:secret@proxy.test:80', 'proxy.test:80'],
    ['proxy.test:80', 'proxy.test:80'],
  ] as const) {
    it(`has ${expected} of the proxy ${value}`, () => {
      for (const name of ['https_proxy', 'ALL_PROXY', 'SOCKS_SERVER'])
        expect(browserEnvironment({}, { [name]: value })).to.deep.equal({ [name]: expected });
    });
  }

  it('lets additions override', () => {
    const environment = browserEnvironment({ HOME: '/elsewhere', LICENCE: '42' }, { HOME: '/home/ann', PATH: '/bin' });
    expect(environment).to.deep.equal({ HOME: '/elsewhere', LICENCE: '42', PATH: '/bin' });
  });
});
