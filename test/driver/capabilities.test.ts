import { expect } from 'chai';
import type { BrowserOptions } from '../../src/driver/browser-options.ts';
import { needsNoSandbox, toCapabilities } from '../../src/driver/capabilities.ts';

/** Capabilities as they go over the wire. */
function wire(options: BrowserOptions, where: { browserPath?: string; isLocal: boolean } = { isLocal: false }) {
  const capabilities = toCapabilities(options, where);
  return Object.fromEntries([...capabilities.keys()].map((name) => [name, capabilities.get(name) as unknown]));
}

function chromeArguments(options: BrowserOptions, where?: { browserPath?: string; isLocal: boolean }): string[] {
  return (wire(options, where)['goog:chromeOptions'] as { args: string[] }).args;
}

describe('toCapabilities', () => {
  it('asks for a headless Chrome unless told otherwise', () => {
    expect(wire({})['browserName']).to.equal('chrome');
    expect(chromeArguments({})).to.include('--headless=new');
    expect(chromeArguments({ headless: false })).not.to.include('--headless=new');
  });

  it('drops the sandbox only for a browser of our own, and only where the user is root', () => {
    expect(chromeArguments({}, { isLocal: false })).not.to.include('--no-sandbox');
    expect(chromeArguments({}, { isLocal: true }).includes('--no-sandbox')).to.equal(needsNoSandbox());
  });

  it("adds the caller's switches to ours, from either place", () => {
    const options: BrowserOptions = {
      arguments: ['--lang=de'],
      capabilities: { 'goog:chromeOptions': { args: ['--mute-audio'], prefs: { a: 1 } } },
    };
    expect(chromeArguments(options)).to.include.members(['--headless=new', '--lang=de', '--mute-audio']);
    expect(wire(options)['goog:chromeOptions']).to.deep.include({ prefs: { a: 1 } });
  });

  it("keeps the browser's path when the caller adds options", () => {
    const capabilities = wire(
      { capabilities: { 'goog:chromeOptions': { prefs: {} } } },
      { isLocal: true, browserPath: '/opt/chrome' },
    );
    expect(capabilities['goog:chromeOptions']).to.include({ binary: '/opt/chrome' });
  });

  it("lets the caller's plain capabilities win", () => {
    const capabilities = wire({ capabilities: { acceptInsecureCerts: true, timeouts: { script: 500 } } });
    expect(capabilities).to.deep.include({ acceptInsecureCerts: true, timeouts: { script: 500 } });
  });

  it('asks Edge in the words of its own driver', () => {
    const capabilities = wire({ browserName: 'MicrosoftEdge', arguments: ['--lang=de'] });
    expect(capabilities).to.include({ browserName: 'MicrosoftEdge' }).and.not.to.have.property('goog:chromeOptions');
    expect((capabilities['ms:edgeOptions'] as { args: string[] }).args).to.include.members([
      '--headless=new',
      '--lang=de',
    ]);
  });

  it('asks for a BiDi socket where there is no DevTools, or where told to', () => {
    expect(wire({})).not.to.have.property('webSocketUrl');
    expect(wire({ bidi: true })).to.include({ webSocketUrl: true });
    const firefox = wire({ browserName: 'firefox', arguments: ['-private'] });
    expect(firefox).to.include({ browserName: 'firefox', webSocketUrl: true });
    expect(firefox['moz:firefoxOptions']).to.deep.equal({ args: ['-headless', '-private'] });
  });

  it('leaves the options that were passed as they were', () => {
    const capabilities = { 'goog:chromeOptions': { args: ['--mute-audio'] } };
    toCapabilities({ capabilities }, { isLocal: true });
    expect(capabilities).to.deep.equal({ 'goog:chromeOptions': { args: ['--mute-audio'] } });
  });
});
