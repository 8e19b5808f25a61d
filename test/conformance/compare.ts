/**
 * Runs the same code on a bare selenium driver and on a supervised one, and compares the results.
 *
 * Some differences are intended, and no body compares them:
 *
 * - The first line of the message of a page load timeout ends with the URL of the page.
 * - Two concurrent calls of `quit()` both resolve. Bare selenium rejects the second with a transport error.
 * - Downloads go to a folder of the session if no folder is named. Bare selenium uses the folder of the user.
 * - After a death commands reject with `SessionDeathError`, and `quit()` resolves. A browser that ends because a page closes its last
 *   window has died, because no command asked for it.
 * - A supervised browser does not prerender pages (speculation rules): Chromium does not if DevTools is attached to the page without its
 *   tab target (measured on 156). The page loads when its link is followed, and its window keeps its handle. In a bare session the handle
 *   changes, and going back times out.
 * - The supervisor adds switches that make the browser quiet (`quiet: false` omits them).
 */
import { expect } from 'chai';
import type chrome from 'selenium-webdriver/chrome.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { KINDS, startSession, type Configure, type Kind, type StartedSession } from './sessions.ts';
import { Site } from './site.ts';

/** The time limit of one body on both sides. */
const LIMIT_MS = 60_000;

/** Code that runs on both drivers. Its value contains everything that is compared. */
export interface Body {
  readonly name: string;
  readonly run: (driver: chrome.Driver, site: Site) => Promise<unknown>;
  /** The value that both sides must have, or a check of it. */
  readonly expected: unknown;
}

/** The environment of a body that starts its sessions itself. */
export interface Stage {
  readonly site: Site;
  /** An empty folder that is removed afterwards. */
  readonly folder: string;
  /** Starts a session, which is ended after the body if the body has not ended it. */
  readonly start: (configure?: Configure) => Promise<StartedSession>;
}

/** A body that starts its own sessions. */
export interface SessionBody {
  readonly name: string;
  readonly run: (stage: Stage) => Promise<unknown>;
  readonly expected: unknown;
}

/** Defines a suite whose bodies share one session of each kind. */
export function compareBodies(title: string, bodies: readonly Body[], configure?: Configure): void {
  describe(`${title}, bare beside supervised`, function () {
    this.timeout(LIMIT_MS);
    let sides: readonly (StartedSession & { readonly site: Site })[];

    before(async () => {
      const start = async (kind: Kind) => ({ ...(await startSession(kind, configure)), site: await Site.open() });
      sides = await Promise.all(KINDS.map(start));
    });

    after(async () => {
      for (const side of sides) {
        await side[Symbol.asyncDispose]();
        await side.site[Symbol.asyncDispose]();
      }
    });

    for (const { name, run, expected } of bodies) {
      it(name, async () => {
        const settled = await Promise.allSettled(
          sides.map(async ({ driver, site }) => {
            await reset(driver, site);
            return run(driver, site);
          }),
        );
        expectSame(settled, expected);
      });
    }
  });
}

/** Defines a suite whose bodies start sessions of their own. */
export function compareSessions(title: string, bodies: readonly SessionBody[]): void {
  describe(`${title}, bare beside supervised`, function () {
    this.timeout(LIMIT_MS);

    for (const { name, run, expected } of bodies) {
      it(name, async () => {
        expectSame(await Promise.allSettled(KINDS.map((kind) => onStage(kind, run))), expected);
      });
    }
  });
}

async function onStage(kind: Kind, run: (stage: Stage) => Promise<unknown>): Promise<unknown> {
  await using cleanup = new AsyncDisposableStack();
  const site = cleanup.use(await Site.open());
  const folder = mkdtempSync(path.join(tmpdir(), 'body-'));
  cleanup.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const start = async (configure?: Configure) => cleanup.use(await startSession(kind, configure));
  return await run({ site, folder, start });
}

function expectSame(settled: readonly PromiseSettledResult<unknown>[], expected: unknown): void {
  const [bare, supervised] = settled.map((result, index) => {
    if (result.status === 'fulfilled') return result.value;
    throw new Error(`The ${KINDS[index]} side failed.`, { cause: result.reason });
  });
  expect(supervised, 'supervised (actual) and bare (expected)').to.deep.equal(bare);
  if (typeof expected === 'function') (expected as (value: unknown) => void)(bare);
  else expect(bare, 'the value of both sides').to.deep.equal(expected);
}

/** Resets the session to one blank window with the default timeouts and no cookies. */
async function reset(driver: chrome.Driver, site: Site): Promise<void> {
  site.reset();
  await driver.manage().setTimeouts({ implicit: 0, pageLoad: 300_000, script: 30_000 });
  const handles = await driver.getAllWindowHandles();
  await driver.switchTo().window(handles[0]!);
  if (handles.length > 1) {
    await driver.switchTo().newWindow('tab');
    const blank = await driver.getWindowHandle();
    for (const handle of handles) {
      await driver.switchTo().window(handle);
      await driver.close();
    }
    await driver.switchTo().window(blank);
  } else await driver.get('about:blank');
  await driver.sendDevToolsCommand('Network.clearBrowserCookies', {});
}

/** Resolves with the name of the error that the promise rejects with; otherwise with a description of the value. */
export async function errorName(promise: PromiseLike<unknown>): Promise<string> {
  try {
    return `no error: ${JSON.stringify(await promise)}`;
  } catch (thrown) {
    return (thrown as Error).name;
  }
}
