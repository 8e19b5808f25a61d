import { expect } from 'chai';

import { silentLog } from '../../src/core/log.ts';
import { SessionStartError } from '../../src/driver/driver.ts';
import { RestartLimit, RestartLimitError } from '../../src/supervisor/restart-limit.ts';
import { startNext } from '../../src/supervisor/start-next.ts';

const LIMIT = { limit: 2, windowMs: 600_000, firstBackoffMs: 1 };

/** Starts the next session after a death. The endpoint is away for this number of starts. */
async function startAfter({ awayStarts, isEndpointAway = true }: { awayStarts: number; isEndpointAway?: boolean }) {
  let starts = 0;
  const started = startNext({
    start: async () => {
      starts += 1;
      if (starts <= awayStarts) throw new SessionStartError('No WebDriver endpoint answers.', { isEndpointAway });
    },
    isAfterDeath: () => true,
    limit: new RestartLimit(LIMIT),
    cause: new Error('the death'),
    away: { pauseMs: 1, limitMs: 50 },
    signal: new AbortController().signal,
    log: silentLog,
  });
  const outcome: unknown = await started.then(
    () => 'started',
    (error: unknown) => error,
  );
  return { outcome, starts };
}

describe('The start after a death while the endpoint is away', () => {
  it('is repeated without counting as a restart', async () => {
    expect(await startAfter({ awayStarts: 5 })).to.deep.equal({ outcome: 'started', starts: 6 });
  });

  it('ends with the restart limit if the endpoint stays away', async () => {
    expect((await startAfter({ awayStarts: Infinity })).outcome).to.be.instanceOf(RestartLimitError);
  });

  it('counts as a restart if the endpoint answers with another error', async () => {
    const { outcome, starts } = await startAfter({ awayStarts: Infinity, isEndpointAway: false });
    expect(outcome).to.be.instanceOf(RestartLimitError);
    expect(starts).to.equal(LIMIT.limit);
  });
});
