import { expect } from 'chai';
import { SessionStartError, SessionSupervisor } from 'webdriver-supervisor';
import { descendantsOf, freeze, listProcesses } from 'webdriver-supervisor/testing';

const LIMIT_MS = 60_000;

/** Resolves with the first browser process that this program has; they come without an event. */
async function firstBrowser(): Promise<number> {
  for (;;) {
    const found = descendantsOf(process.pid, listProcesses()).find(
      ({ command }) => /--headless/.test(command) && !/--type=|crashpad/.test(command),
    );
    if (found !== undefined) return found.pid;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

describe('A browser that freezes while its session starts', () => {
  it('fails the start, instead of hanging it, and leaves nothing', async () => {
    const starting = SessionSupervisor.start().catch((error: unknown) => error);
    await freeze(await firstBrowser());
    const startedAt = performance.now();
    const error = await starting;
    expect(error).to.be.instanceOf(SessionStartError);
    expect(performance.now() - startedAt).to.be.below(LIMIT_MS);
  });
});
