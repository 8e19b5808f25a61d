/** Doctor's look at the registry: whether it can be used, and what is in it. */
import { existsSync } from 'node:fs';

import { LIVE_STATUSES } from '../model/session.ts';
import type { Config } from '../config/config.ts';
import { toError } from '../core/errors.ts';
import { redactText } from '../core/redact.ts';
import { MONITOR_LEADERSHIP, openRegistry } from '../registry/registry.ts';
import type { CheckResult } from './check-result.ts';
import { count } from './progress-line.ts';

const NAME = 'registry';

export async function checkRegistry({ registryUrl }: Config): Promise<CheckResult> {
  const file = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(registryUrl)?.[1];
  // Looking must not make one.
  if (file !== undefined && !existsSync(file))
    return { name: NAME, status: 'ok', message: `none yet: ${file} comes with the first run` };
  try {
    await using registry = await openRegistry(registryUrl);
    const [runs, sessions, leader] = [
      await registry.runs.count(),
      await registry.sessions.count({ status: LIVE_STATUSES }),
      await registry.leadership.current(MONITOR_LEADERSHIP),
    ];
    const watch = leader === undefined ? 'no monitor' : `the monitor runs on ${leader.host} (pid ${leader.pid})`;
    return {
      name: NAME,
      status: 'ok',
      message: `${registry.place}: ${count(runs, 'run')}, ${count(sessions, 'live session')}; ${watch}`,
    };
  } catch (thrown) {
    return {
      name: NAME,
      status: 'problem',
      message: redactText(toError(thrown).message),
      advice: 'Nothing can be run before that; another registry is named by REGISTRY_URL.',
    };
  }
}
