import { expect } from 'chai';
import { Capabilities } from 'selenium-webdriver';
import chrome from 'selenium-webdriver/chrome.js';

import {
  isForOneBrowser,
  mergeBrowserOptions,
  toPlainCapabilities,
  toProxyCapability,
  validateBrowserOptions,
} from '../../src/driver/browser-options.ts';
import { toCapabilities } from '../../src/driver/capabilities.ts';

describe('mergeBrowserOptions', () => {
  it('gives later options precedence, appends switches, and merges capabilities deeply', () => {
    const merged = mergeBrowserOptions(
      {
        headless: true,
        arguments: ['--a'],
        capabilities: { 'goog:chromeOptions': { args: ['--b'], prefs: { x: 1 } } },
      },
      {
        headless: false,
        arguments: ['--c'],
        capabilities: { 'goog:chromeOptions': { prefs: { y: 2 } } },
        proxy: undefined,
      },
    );
    expect(merged).to.deep.equal({
      headless: false,
      arguments: ['--a', '--c'],
      capabilities: { 'goog:chromeOptions': { args: ['--b'], prefs: { x: 1, y: 2 } } },
    });
  });

  it("accepts selenium's own objects, whose entries are in a Map", () => {
    const options = new chrome.Options();
    options.addArguments('--lang=de');
    options.setUserPreferences({ x: 1 });
    const wanted = toCapabilities({ capabilities: options }, { isLocal: false }).get('goog:chromeOptions') as {
      args: string[];
      prefs: object;
    };
    expect(wanted.args).to.include.members(['--headless=new', '--lang=de']);
    expect(wanted.prefs).to.deep.equal({ x: 1 });
    const plain = mergeBrowserOptions({ capabilities: new Capabilities({ pageLoadStrategy: 'eager' }) });
    expect(plain.capabilities).to.deep.equal({ pageLoadStrategy: 'eager' });
  });
});

describe('toProxyCapability', () => {
  for (const [proxy, expected] of [
    ['http://proxy.test:3128', { proxyType: 'manual', httpProxy: 'proxy.test:3128', sslProxy: 'proxy.test:3128' }],
    ['http://proxy.test', { proxyType: 'manual', httpProxy: 'proxy.test:80', sslProxy: 'proxy.test:80' }],
    ['socks5://proxy.test', { proxyType: 'manual', socksProxy: 'proxy.test:1080', socksVersion: 5 }],
    ['pac+http://proxy.test/a.pac', { proxyType: 'pac', proxyAutoconfigUrl: 'http://proxy.test/a.pac' }],
  ] as const) {
    it(`returns the capability for ${proxy}`, () => expect(toProxyCapability(proxy)).to.deep.equal(expected));
  }

  for (const proxy of ['proxy.test:3128', 'http://', 'ftp://proxy.test', 'https://proxy.test']) {
    it(`refuses ${proxy}`, () => expect(() => toProxyCapability(proxy)).to.throw(/must be/));
  }

  it('refuses a password without showing it', () => {
    expect(() => toProxyCapability('http://ann:secret@proxy.test:1'))
      .to.throw(/a user name or a password/)
      .with.property('message')
      .that.does.not.contain('secret');
  });
});

describe('validateBrowserOptions', () => {
  it('refuses switches that are not a list of strings, and capabilities that are not an object', () => {
    expect(() => validateBrowserOptions({ arguments: '--lang=de' as never })).to.throw(/`arguments` must be a list/);
    expect(() => validateBrowserOptions({ capabilities: [] as never })).to.throw(/`capabilities` must be an object/);
  });
});

describe('toCapabilities: options of a browser', () => {
  const wire = (options: object) => toCapabilities(options, { isLocal: false });

  for (const [what, options] of Object.entries({
    'the option': { browserName: 'firefox' },
    'the capabilities': { capabilities: { browserName: 'firefox' } },
    'the capabilities, with another option': { browserName: 'chrome', capabilities: { browserName: 'firefox' } },
  }))
    it(`are those of the browser that ${what} name`, () => {
      expect(toPlainCapabilities(wire(options))).to.deep.equal({
        browserName: 'firefox',
        webSocketUrl: true,
        'moz:firefoxOptions': { args: ['-headless'] },
      });
    });

  const chromeOptions = (options: object) =>
    wire(options).get('goog:chromeOptions') as { args: string[]; prefs?: Record<string, unknown> };

  it('omits the quiet switches if `quiet` is false', () => {
    expect(chromeOptions({}).args).to.include('--disable-sync');
    expect(chromeOptions({ quiet: false }).args).to.deep.equal(['--headless=new']);
  });

  it('contains the profile, the download folder, the proxy and the acceptance of certificates', () => {
    const { args, prefs } = chromeOptions({ userDataDir: '/profile', downloadDir: '/downloads' });
    expect(args).to.include('--user-data-dir=/profile');
    expect(prefs).to.deep.include({ download: { default_directory: '/downloads', prompt_for_download: false } });
    const wanted = wire({ proxy: 'http://proxy.test:1', acceptInsecureCerts: true });
    expect(wanted.get('proxy')).to.include({ httpProxy: 'proxy.test:1' });
    expect(wanted.get('acceptInsecureCerts')).to.equal(true);
  });
});

describe('isForOneBrowser', () => {
  it('is true for options that name a profile or a port of the browser', () => {
    for (const options of [
      { userDataDir: '/profile' },
      { arguments: ['--user-data-dir=/profile'] },
      { arguments: ['--remote-debugging-port=9222'] },
      { capabilities: { 'goog:chromeOptions': { args: ['user-data-dir=/profile'] } } },
    ])
      expect(isForOneBrowser(options), JSON.stringify(options)).to.equal(true);
    for (const options of [
      {},
      { arguments: ['--remote-debugging-port=0', '--lang=de'] },
      { downloadDir: '/downloads' },
    ])
      expect(isForOneBrowser(options), JSON.stringify(options)).to.equal(false);
  });
});
