/** Starts a browser as a run does, and ends it. A reason why runs would fail is reported here, with its way out. */
import { describeDuration } from '../../core/describe-time.ts';
import type { Config } from '../../config/config.ts';
import { toError } from '../../core/errors.ts';
import { SessionSupervisor, toSupervisorOptions } from '../../supervisor/supervisor.ts';
import type { CheckResult } from './check-result.ts';

/** A Grid lets a session wait for a free slot. The start of a local driver has a limit of its own, with a better reason. */
const GRID_LIMIT_MS = 30_000;
const OWN_LIMIT_MS = 180_000;

export async function checkStart(config: Config): Promise<CheckResult> {
  const name = 'start';
  const startedAt = performance.now();
  const limitMs = config.gridUrl === undefined ? OWN_LIMIT_MS : GRID_LIMIT_MS;
  const signal = AbortSignal.timeout(limitMs);
  try {
    await using supervisor = await SessionSupervisor.start({ ...toSupervisorOptions(config), signal });
    await supervisor.driver.get('data:text/html,<title>ready</title>');
    const took = describeDuration(performance.now() - startedAt);
    return { name, status: 'ok', message: `a browser was started and opened a page in ${took}` };
  } catch (thrown) {
    if (!signal.aborted) return { name, status: 'problem', message: toError(thrown).message };
    const message = `no browser was ready within ${limitMs / 1_000} s.`;
    return { name, status: 'problem', message, advice: describeLateStart(config) };
  }
}

function describeLateStart({ gridUrl }: Config): string {
  return gridUrl === undefined
    ? 'The machine may be overloaded: look at its load and memory, and try again.'
    : 'All slots of the Grid may be taken, or none has this browser: look at the page of the Grid.';
}
