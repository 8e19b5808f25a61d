import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';

import { expect } from 'chai';
import type Mocha from 'mocha';
import { add, openStage } from './plugin-stage.ts';
import { startsOf } from './support.ts';

describe('webdriver-supervisor/mocha', () => {
  it('starts a browser when a test first uses it, uses it for the whole file, and ends it', async () => {
    await using stage = await openStage();
    const { server, browser } = stage;
    const seen: unknown[] = [];
    const report = await stage.run((suite) => {
      add(suite, 'needs none', () => void seen.push(startsOf(server)));
      add(suite, 'uses it', async () => void seen.push(await browser.driver.getTitle(), startsOf(server)));
      add(suite, 'belongs to another file', () => void seen.push(server.sessionIds.length), 'test/other.ts');
    });
    expect(report).to.equal('passed: inner needs none\npassed: inner uses it\npassed: inner belongs to another file\n');
    expect(seen[0]).to.equal(0);
    expect(seen[1]).to.contain('Title');
    expect(seen.slice(2)).to.deep.equal([1, 0]);
    expect(server.sessionIds).to.deep.equal([]);
  });

  it('gives a driver, a client and a signal before the browser is started', async () => {
    await using stage = await openStage();
    const { server, browser } = stage;
    server.answer('GET /items', { status: 200, body: '[1]' });
    server.answer('POST /element', { value: { 'element-6066-11e4-a52e-4f735466cecf': 'e1' } });
    server.answer('GET /element/e1/text', { value: 'Cart' });
    const report = await stage.run((suite) => {
      add(suite, 'uses all', async () => {
        const { driver, api, signal } = browser;
        expect(await api.json(`${server.url}/items`)).to.deep.equal([1]);
        expect((await driver.getSession()).getId()).to.equal(server.sessionIds[0]);
        expect(await driver.findElement({ css: 'h1' }).getText()).to.equal('Cart');
        expect(signal.aborted).to.equal(false);
        expect(await browser.driver.getTitle()).to.equal(await driver.getTitle());
      });
    });
    expect(report).to.equal('passed: inner uses all\n');
  });

  it('refuses the browser outside of tests, with an error that contains the solution', async () => {
    await using stage = await openStage();
    expect(() => stage.browser.driver).to.throw(/^browser\.driver was used outside of a test\. Use it in `it`/);
    const report = await stage.run((suite) => {
      suite.beforeAll(() => stage.browser.api);
      add(suite, 'is not reached', () => undefined);
    });
    expect(report).to.contain('browser.api was used outside of a test.');
  });

  it('does not count the start of the browser as the test’s time', async () => {
    await using stage = await openStage();
    const { server, browser } = stage;
    const hold = server.hold('POST /session');
    let limitMs = 0;
    const running = stage.run(
      (suite) =>
        add(suite, 'waits', async function (this: Mocha.Context) {
          await browser.driver.getTitle();
          limitMs = this.timeout();
        }),
      { timeout: 1_000 },
    );
    await server.waitForRequest('POST /session');
    setTimeout(() => hold.release(), 20);
    expect(await running).to.equal('passed: inner waits\n');
    expect(limitMs).to.be.greaterThan(1_019);
  });

  it('runs a test whose browser died again with its hooks, does not fail it, and reports it', async () => {
    await using stage = await openStage();
    const { server, browser } = stage;
    const calls: string[] = [];
    let attempts = 0;
    const report = await stage.run((suite) => {
      suite.beforeEach(async () => void calls.push(`before ${(await browser.driver.getTitle()).length > 0}`));
      suite.afterEach('uses the browser', async () => {
        calls.push('after');
        await browser.driver.getTitle();
      });
      add(suite, 'shows', async () => {
        attempts += 1;
        if (attempts === 1) server.endSession();
        await browser.driver.getTitle();
      });
    });
    expect(report).to.match(
      /^webdriver-supervisor: the browser died during the test "inner shows" \(session-removed, .*attempt 2\.\n/,
    );
    expect(report).to.match(/\nretried: inner shows\npassed: inner shows\n$/);
    expect(calls).to.deep.equal(['before true', 'after', 'before true', 'after']);
    expect(startsOf(server)).to.equal(2);
  });

  for (const [title, swallow] of [
    [
      'ignored the error of the death',
      (driver: { getTitle(): Promise<string> }) => driver.getTitle().catch(() => 'nothing'),
    ],
    ['ended before the death was detected', () => Promise.resolve('nothing')],
  ] as const) {
    it(`ignores the result of a test that ${title}`, async () => {
      await using stage = await openStage();
      const { server, browser } = stage;
      const titles: string[] = [];
      const report = await stage.run((suite) =>
        add(suite, 'shows', async () => {
          const { driver } = browser;
          await driver.getTitle();
          if (titles.length === 0) server.endSession();
          titles.push(await swallow(driver));
        }),
      );
      expect(report).to.contain('retried: inner shows\npassed: inner shows\n');
      expect(titles).to.have.length(2);
    });
  }

  it('runs a test again whose browser died in a beforeEach hook, and does not end the suite', async () => {
    await using stage = await openStage();
    const { server, browser } = stage;
    let hooks = 0;
    let tests = 0;
    const report = await stage.run((suite) => {
      suite.beforeEach(async () => {
        hooks += 1;
        await browser.driver.getTitle();
        if (hooks === 1) server.endSession();
        await browser.driver.getTitle();
      });
      add(suite, 'shows', () => void (tests += 1));
    });
    expect(report).to.contain('retried: inner shows\npassed: inner shows\n');
    expect([hooks, tests]).to.deep.equal([2, 1]);
  });

  it('fails an afterEach hook of a test that has passed if its browser dies in it', async () => {
    await using stage = await openStage();
    const { server, browser } = stage;
    const report = await stage.run((suite) => {
      suite.afterEach(async () => {
        server.endSession();
        await browser.driver.getTitle();
      });
      add(suite, 'shows', async () => void (await browser.driver.getTitle()));
    });
    expect(report).to.match(/^passed: inner shows\nfailed: inner "after each" hook .*: The browser session died/);
  });

  it('fails a test whose browser dies at each attempt with the death, and uses none of the user’s own retries', async () => {
    await using stage = await openStage();
    const { server, browser } = stage;
    let attempts = 0;
    const report = await stage.run((suite) => {
      add(suite, 'kills', async () => {
        attempts += 1;
        await browser.driver.getTitle();
        server.endSession();
        await browser.driver.getTitle();
      });
      add(suite, 'goes on', async () => void (await browser.driver.getTitle()));
    });
    expect(report).to.match(/failed: inner kills: The browser session died \(session-removed/);
    expect(report).to.contain('passed: inner goes on');
    expect(attempts).to.equal(3);
  });

  it('adds no attempt of the user’s retries for a test that fails by itself after a death', async () => {
    await using stage = await openStage();
    const { server, browser } = stage;
    let attempts = 0;
    await stage.run(
      (suite) =>
        add(suite, 'fails', async () => {
          attempts += 1;
          await browser.driver.getTitle();
          if (attempts === 1) server.endSession();
          await browser.driver.getTitle();
          throw new Error('3 items expected');
        }),
      { retries: 1 },
    );
    expect(attempts, 'one death, and two failures').to.equal(3);
  });

  it('fails a test at once with its own error, and stores screenshot and page', async () => {
    await using stage = await openStage();
    const { server, browser, failures } = stage;
    server.answer('GET /url', { value: 'http://shop.test/cart' });
    server.answer('POST /se/log', {
      value: [{ level: 'SEVERE', message: 'no cart\u001b[2J', timestamp: 1 }],
    });
    const own = new Error('3 items expected');
    const report = await stage.run((suite) =>
      add(suite, 'shows: the cart/basket', async () => {
        await browser.driver.getTitle();
        throw own;
      }),
    );
    const folder = path.join(failures, 'test', 'cart.ts', 'inner-shows-the-cart-basket');
    expect(report).to.equal(
      'failed: inner shows: the cart/basket: 3 items expected\n' +
        `The browser's screenshot, page and console are in ${folder}.\n`,
    );
    expect(own.stack, 'printed by reporters behind the message').to.match(
      /^Error: 3 items expected\nThe browser's screenshot/,
    );
    expect(await readFile(path.join(folder, 'screenshot.png'), 'utf8')).to.equal('picture');
    expect(await readFile(path.join(folder, 'console.txt'), 'utf8')).to.equal('SEVERE no cart [2J\n');
    expect(JSON.parse(await readFile(path.join(folder, 'page.json'), 'utf8'))).to.include({
      test: 'inner shows: the cart/basket',
      error: '3 items expected',
      url: 'http://shop.test/cart',
    });
    expect(startsOf(server)).to.equal(1);
  });

  it('lists the parts of the page that could not be stored', async () => {
    await using stage = await openStage();
    stage.server.answer('GET /screenshot', { error: 'unable to capture screen', message: 'no screen' });
    await stage.run((suite) =>
      add(suite, 'fails', async () => {
        await stage.browser.driver.getTitle();
        throw new Error('3 items expected');
      }),
    );
    const folder = path.join(stage.failures, 'test', 'cart.ts', 'inner-fails');
    expect(existsSync(path.join(folder, 'screenshot.png'))).to.equal(false);
    const { missing } = JSON.parse(await readFile(path.join(folder, 'page.json'), 'utf8')) as { missing: string[] };
    expect(missing).to.deep.include('the screenshot: no screen');
  });

  it('does not change failures of tests without a browser', async () => {
    await using stage = await openStage();
    const report = await stage.run((suite) => add(suite, 'fails', () => Promise.reject(new Error('3 items expected'))));
    expect(report).to.equal('failed: inner fails: 3 items expected\n');
    expect(startsOf(stage.server)).to.equal(0);
  });

  it('gives the next test a new browser if a test exceeded its time limit', async () => {
    await using stage = await openStage();
    const { server, browser } = stage;
    const report = await stage.run(
      (suite) => {
        add(suite, 'hangs', async () => {
          await browser.driver.getTitle();
          await new Promise(() => undefined);
        });
        add(suite, 'follows', async () => void (await browser.driver.getTitle()));
      },
      { timeout: 100 },
    );
    expect(report).to.match(
      /^failed: inner hangs: Timeout of \d+ms exceeded\. .*\n.* are in .*\npassed: inner follows\n$/,
    );
    expect(startsOf(server)).to.equal(2);
  });

  it('fails a test with the reason if no browser can be started for it, and starts one for the next', async () => {
    await using stage = await openStage();
    stage.server.answer('POST /session', { error: 'session not created', message: 'no more slots' }, { times: 1 });
    const report = await stage.run((suite) => {
      add(suite, 'needs it', async () => void (await stage.browser.driver.getTitle()));
      add(suite, 'needs it too', async () => void (await stage.browser.driver.getTitle()));
    });
    expect(report).to.match(/failed: inner needs it: .*no more slots/);
    expect(report).to.contain('passed: inner needs it too');
  });

  it('refuses a profile of the user, which it would empty', async () => {
    await using stage = await openStage({ USER_DATA_DIR: 'profile' });
    const report = await stage.run((suite) =>
      add(suite, 'needs it', async () => void (await stage.browser.driver.getTitle())),
    );
    expect(report).to.match(/^failed: inner needs it: USER_DATA_DIR can’t be used with webdriver-supervisor\/mocha/);
    expect(startsOf(stage.server)).to.equal(0);
  });

  it('leaves tests with a callback, skipped ones and errors that no code caught to mocha', async () => {
    await using stage = await openStage();
    const report = await stage.run((suite) => {
      add(suite, 'calls back', (done) => {
        const run = async () => {
          await stage.browser.driver.getTitle();
          done();
        };
        void run();
      });
      add(suite, 'calls back with an error', (done) => done(new Error('no cart')));
      add(suite, 'is skipped', function (this: Mocha.Context) {
        this.skip();
      });
      add(suite, 'is skipped later', async function (this: Mocha.Context) {
        await stage.browser.driver.getTitle();
        this.skip();
      });
      add(suite, 'calls back after it was skipped', function (this: Mocha.Context, _done) {
        this.skip();
      });
    });
    expect(report).to.equal('passed: inner calls back\nfailed: inner calls back with an error: no cart\n');
  });
});
