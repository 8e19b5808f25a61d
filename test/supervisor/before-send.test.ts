import { expect } from 'chai';
import { SessionSupervisor } from 'webdriver-supervisor';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

describe('SessionSupervisor: beforeSend', () => {
  it('holds an API call that is about to be sent, after its cookies were asked for', async () => {
    await using server = await openScriptedWebDriver();
    const asked = Promise.withResolvers<string>();
    const proof = Promise.withResolvers<void>();
    let isHeld = false;
    const beforeSend = () => {
      if (!isHeld) return undefined;
      asked.resolve('held');
      return proof.promise;
    };
    await using supervisor = await SessionSupervisor.start({ gridUrl: server.url, beforeSend });
    server.answer('GET /cookie', () => {
      isHeld = true;
      return undefined;
    });
    const call = supervisor.api.fetch(`${server.url}/asked`, { anyStatus: true });
    expect(await Promise.race([asked.promise, call.then(() => 'sent')])).to.equal('held');
    const isSent = () => server.requests.some(({ path }) => path === '/asked');
    expect(isSent()).to.equal(false);
    proof.resolve();
    await call;
    expect(isSent()).to.equal(true);
  });
});
