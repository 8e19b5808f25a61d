import { expect } from 'chai';
import { SessionSupervisor, type SupervisorOptions } from 'webdriver-supervisor';
import { openScriptedWebDriver, type ScriptedWebDriver } from 'webdriver-supervisor/testing';
import { rejectionOf } from '../support/rejection.ts';

describe('The hook before each command', () => {
  let server: ScriptedWebDriver;
  beforeEach(async () => {
    server = await openScriptedWebDriver();
  });
  afterEach(() => server.close());

  const start = (beforeCommand: NonNullable<SupervisorOptions['beforeCommand']>) =>
    SessionSupervisor.start({ gridUrl: server.url, beforeCommand });

  it("is called with each command's label before the endpoint receives the command", async () => {
    const labels: string[] = [];
    await using supervisor = await start(({ label }) => void labels.push(label));
    await supervisor.driver.get('http://example.test/');
    await supervisor.driver.getTitle();
    expect(labels).to.deep.equal(['POST /session', 'POST /url', 'GET /title']);
  });

  it('holds a command until its promise resolves', async () => {
    const gate = Promise.withResolvers<void>();
    await using supervisor = await start(({ label }) => (label === 'GET /title' ? gate.promise : undefined));
    const title = supervisor.driver.getTitle();
    await supervisor.driver.getCurrentUrl();
    expect(server.requests.some(({ path }) => path.endsWith('/title'))).to.equal(false);
    gate.resolve();
    expect(await title).to.equal('Title of about:blank');
  });

  it('refuses a command if it throws, and nothing is sent', async () => {
    await using supervisor = await start(({ label }) => {
      if (label === 'GET /title') throw new Error('not now');
      return undefined;
    });
    expect((await rejectionOf(supervisor.driver.getTitle())).message).to.equal('not now');
    expect(server.requests.some(({ path }) => path.endsWith('/title'))).to.equal(false);
    expect(supervisor.state).to.equal('alive');
  });

  it('rejects a held command with the death if the session dies in the meantime', async () => {
    const begun = Promise.withResolvers<void>();
    await using supervisor = await start(({ label }) => {
      if (label !== 'GET /title') return undefined;
      begun.resolve();
      return new Promise(() => undefined);
    });
    const title = supervisor.driver.getTitle();
    await begun.promise;
    supervisor.declareDeath({ cause: 'session-removed', detectedBy: 'command', message: 'ended by the test' });
    expect(await rejectionOf(title)).to.equal(supervisor.signal.reason);
  });
});
