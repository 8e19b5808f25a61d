import { expect } from 'chai';
import { SessionEndedError, SessionSupervisor } from 'webdriver-supervisor';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import type { ObservedOptions } from '../../src/supervisor/supervisor.ts';
import { rejectionOf } from '../support/rejection.ts';

describe('SessionSupervisor: the observer’s beforeSend', () => {
  it('delays an API call that is about to be sent, after its cookies were read', async () => {
    await using server = await openScriptedWebDriver();
    const asked = Promise.withResolvers<string>();
    const proof = Promise.withResolvers<void>();
    let isHeld = false;
    const beforeSend = () => {
      if (!isHeld) return undefined;
      asked.resolve('held');
      return proof.promise;
    };
    const options: ObservedOptions = { gridUrl: server.url, observer: { beforeSend } };
    await using supervisor = await SessionSupervisor.start(options);
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

  it('does not delay the end of the session: waiting commands are refused, and the session is deleted', async () => {
    await using server = await openScriptedWebDriver();
    const asked = Promise.withResolvers<void>();
    let isHeld = false;
    const beforeSend = () => {
      if (!isHeld) return undefined;
      asked.resolve();
      return new Promise<void>(() => undefined);
    };
    const options: ObservedOptions = { gridUrl: server.url, observer: { beforeSend } };
    await using supervisor = await SessionSupervisor.start(options);
    isHeld = true;
    const refused = [supervisor.driver.getTitle(), supervisor.driver.getCurrentUrl()].map(rejectionOf);
    await asked.promise;
    await supervisor.stop();
    for (const error of await Promise.all(refused)) expect(error).to.be.instanceOf(SessionEndedError);
    expect(server.sessionIds).to.deep.equal([]);
    expect(server.requests.filter(({ path }) => /title|url$/.test(path))).to.deep.equal([]);
  });
});
