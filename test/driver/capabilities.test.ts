import { expect } from 'chai';
import type { BrowserOptions } from '../../src/driver/browser-options.ts';
import { toCapabilities } from '../../src/driver/capabilities.ts';
import { needsNoSandbox } from '../../src/driver/sandbox.ts';

/** Returns capabilities as they are sent. */
function wire(options: BrowserOptions, where: { browserPath?: string; isLocal: boolean } = { isLocal: false }) {
  const capabilities = toCapabilities(options, where);
  return Object.fromEntries([...capabilities.keys()].map((name) => [name, capabilities.get(name) as unknown]));
}

function chromeArguments(options: BrowserOptions, where?: { browserPath?: string; isLocal: boolean }): string[] {
  return (wire(options, where)['goog:chromeOptions'] as { args: string[] }).args;
}

describe('toCapabilities', () => {
  it('requests a headless Chrome by default', () => {
    expect(wire({})['browserName']).to.equal('chrome');
    expect(chromeArguments({})).to.include('--headless=new');
    expect(chromeArguments({ headless: false })).not.to.include('--headless=new');
  });

  it('disables the sandbox only for a local browser, and only if the user is root', () => {
    expect(chromeArguments({}, { isLocal: false })).not.to.include('--no-sandbox');
    expect(chromeArguments({}, { isLocal: true }).includes('--no-sandbox')).to.equal(needsNoSandbox());
  });

  it("adds the caller's switches from options and capabilities to its own", () => {
    const options: BrowserOptions = {
      arguments: ['--lang=de'],
      capabilities: { 'goog:chromeOptions': { args: ['--mute-audio'], prefs: { a: 1 } } },
    };
    expect(chromeArguments(options)).to.include.members(['--headless=new', '--lang=de', '--mute-audio']);
    expect(wire(options)['goog:chromeOptions']).to.deep.include({ prefs: { a: 1 } });
  });

  it("preserves the browser's path when the caller adds options", () => {
    const capabilities = wire(
      { capabilities: { 'goog:chromeOptions': { prefs: {} } } },
      { isLocal: true, browserPath: '/opt/chrome' },
    );
    expect(capabilities['goog:chromeOptions']).to.include({ binary: '/opt/chrome' });
  });

  it("gives the caller's plain capabilities precedence", () => {
    const capabilities = wire({ capabilities: { acceptInsecureCerts: true, timeouts: { script: 500 } } });
    expect(capabilities).to.deep.include({ acceptInsecureCerts: true, timeouts: { script: 500 } });
  });

  it("uses the capability names of Edge's own driver for Edge", () => {
    const capabilities = wire({ browserName: 'MicrosoftEdge', arguments: ['--lang=de'] });
    expect(capabilities).to.include({ browserName: 'MicrosoftEdge' }).and.not.to.have.property('goog:chromeOptions');
    expect((capabilities['ms:edgeOptions'] as { args: string[] }).args).to.include.members([
      '--headless=new',
      '--lang=de',
    ]);
  });

  it('requests a BiDi socket if there is no DevTools or the option is set', () => {
    expect(wire({})).not.to.have.property('webSocketUrl');
    expect(wire({ bidi: true })).to.include({ webSocketUrl: true });
    const firefox = wire({ browserName: 'firefox', arguments: ['-private'] });
    expect(firefox).to.include({ browserName: 'firefox', webSocketUrl: true });
    expect(firefox['moz:firefoxOptions']).to.deep.equal({ args: ['-headless', '-private'] });
  });

  it('does not change the options that were passed', () => {
    const capabilities = { 'goog:chromeOptions': { args: ['--mute-audio'] } };
    toCapabilities({ capabilities }, { isLocal: true });
    expect(capabilities).to.deep.equal({ 'goog:chromeOptions': { args: ['--mute-audio'] } });
  });
});
