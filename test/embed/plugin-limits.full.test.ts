import { expect } from 'chai';
import type { Hold } from 'webdriver-supervisor/testing';
import { add, openStage } from './plugin-stage.ts';

describe('webdriver-supervisor/mocha: the time limits of tests', () => {
  it('runs a test again that reached its time limit because its browser is frozen', async () => {
    await using stage = await openStage({ HEARTBEAT_TIMEOUT_SECONDS: '0.05' });
    const { server, browser } = stage;
    const holds: Hold[] = [];
    let attempts = 0;
    const report = await stage.run(
      (suite) => {
        suite.afterEach(() => {
          for (const hold of holds) hold.release();
        });
        add(suite, 'shows', async () => {
          await browser.driver.getTitle();
          attempts += 1;
          if (attempts === 1) holds.push(server.hold('GET /title'), server.hold('GET /status'));
          await browser.driver.getTitle();
        });
      },
      { timeout: 200 },
    );
    expect(report).to.match(
      /the browser died during the test "inner shows" \(network-lost, .* no answer within 0\.05 s\)/,
    );
    expect(report).to.match(/retried: inner shows\npassed: inner shows\n$/);
  });

  it('does not end a test whose browser takes longer to start than the test may take', async () => {
    await using stage = await openStage();
    const { server, browser } = stage;
    const hold = server.hold('POST /session');
    const running = stage.run((suite) => add(suite, 'waits', async () => void (await browser.driver.getTitle())), {
      timeout: 500,
    });
    await server.waitForRequest('POST /session');
    setTimeout(() => hold.release(), 600);
    expect(await running).to.equal('passed: inner waits\n');
  });
});
