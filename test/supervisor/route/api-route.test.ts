import { expect } from 'chai';

import { ApiError, SessionSupervisor } from '../../../src/supervisor/supervisor.ts';
import { rejectionOf } from '../support.ts';
import { openProxyStage, type ProxyStage } from './proxy-stage.ts';
import { compare } from './situations.ts';
import { startSettled } from '../../support/start-settled.ts';

describe('supervisor.api and the network of the browser', () => {
  let stage: ProxyStage;
  let browser: SessionSupervisor;

  before(async () => {
    stage = await openProxyStage();
    browser = await startSettled({
      proxy: `http://${stage.proxy}`,
      arguments: ['--accept-lang=de-DE,fr'],
      criticalFailureThreshold: 1_000,
    });
  });

  after(async () => {
    await browser.stop();
    await stage[Symbol.asyncDispose]();
  });

  it('calls a host through the browser’s proxy, and loopback without it', async () => {
    const { page, api } = await compare(stage, browser, ['http://only-proxy.test/', stage.httpUrl]);
    expect(page).to.deep.equal({ 'http://only-proxy.test/': 'http', [stage.httpUrl]: 'direct' });
    expect(api).to.deep.equal(page);
  });

  it('sends the Accept-Language of the browser, unless the caller gives one', async () => {
    stage.takeSeen();
    await browser.driver.get(stage.httpUrl);
    await browser.api.fetch(stage.httpUrl);
    await browser.api.fetch(stage.httpUrl, { headers: { 'Accept-Language': 'nl' } });
    const sent = stage.takeSeen().headers.map((headers) => headers['accept-language']);
    expect(sent).to.deep.equal(['de-DE,de;q=0.9,fr;q=0.8', 'de-DE,de;q=0.9,fr;q=0.8', 'nl']);
  });

  it('sends the languages of the browser, even if the page overrides `navigator.languages`', async () => {
    await using supervisor = await SessionSupervisor.attach(
      browser.endpointUrl!,
      browser.sessionId!,
      browser.capabilities,
    );
    await browser.driver.get(stage.httpUrl);
    await browser.driver.executeScript(
      "Object.defineProperty(Navigator.prototype, 'languages', { get: () => ['xx-YY'], configurable: true })",
    );
    stage.takeSeen();
    await supervisor.api.fetch(stage.httpUrl);
    expect(stage.takeSeen().headers[0]?.['accept-language']).to.equal('de-DE,de;q=0.9,fr;q=0.8');
  });

  it('sends no Accept-Language, and does not wait, while a dialog blocks the page', async () => {
    await using supervisor = await SessionSupervisor.attach(
      browser.endpointUrl!,
      browser.sessionId!,
      browser.capabilities,
    );
    await browser.driver.get(stage.httpUrl);
    await supervisor.driver.getTitle();
    await browser.driver.executeScript('setTimeout(() => alert(1))');
    while (
      !(await browser.driver
        .switchTo()
        .alert()
        .then(
          () => true,
          () => false,
        ))
    );
    stage.takeSeen();
    const startedAt = performance.now();
    for (let calls = 0; calls < 3; calls += 1) await supervisor.api.fetch(stage.httpUrl);
    expect(performance.now() - startedAt).to.be.below(900);
    const sent = stage.takeSeen().headers.map((headers) => headers['accept-language']);
    await browser.driver.switchTo().alert().accept();
    expect(sent).to.deep.equal([undefined, undefined, undefined]);
  });

  for (const way of ['direct', 'tunnel'] as const) {
    it(`refuses a certificate that is not trusted at once, with the reason and the setting (${way})`, async () => {
      stage.takeSeen();
      const url = way === 'direct' ? stage.httpsUrl : 'https://only-proxy.test/';
      const error = await rejectionOf(browser.api.fetch(url));
      expect(error).to.be.instanceOf(ApiError).and.include({ status: null });
      expect(error.message).to.match(/certificate.*DEPTH_ZERO_SELF_SIGNED_CERT.*ACCEPT_INSECURE_CERTS/s);
      expect(stage.takeSeen().secureConnections).to.equal(1);
    });
  }

  it('reports at once that the proxy requires a password, and counts no failure of the API', async () => {
    await using supervisor = await SessionSupervisor.attach(
      browser.endpointUrl!,
      browser.sessionId!,
      browser.capabilities,
      { criticalFailureThreshold: 1 },
    );
    stage.isPasswordNeeded = true;
    try {
      for (const url of ['http://other.only-proxy.test/', 'https://other.only-proxy.test/']) {
        const error = await rejectionOf(supervisor.api.fetch(url));
        expect(error).to.be.instanceOf(ApiError);
        expect(error.message).to.contain('407').and.to.contain('proxy');
      }
      expect(supervisor.criticalFailure).to.equal(undefined);
    } finally {
      stage.isPasswordNeeded = false;
    }
  });

  it('names the proxy of a call that fails behind it', async () => {
    await using supervisor = await SessionSupervisor.attach(
      browser.endpointUrl!,
      browser.sessionId!,
      browser.capabilities,
      { apiRetries: 0 },
    );
    const error = await rejectionOf(supervisor.api.fetch('https://unknown.example/'));
    expect(error.message).to.contain(`http://${stage.proxy}`);
  });
});
