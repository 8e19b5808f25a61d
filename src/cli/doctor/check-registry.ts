/** The `doctor` check of the registry: that it can be opened, and what it contains. */
import { existsSync } from 'node:fs';

import { count } from '../../core/describe-number.ts';
import { LIVE_STATUSES } from '../../model/session.ts';
import type { Config } from '../../config/config.ts';
import { toError } from '../../core/errors.ts';
import { redactText } from '../../core/redact.ts';
import { MONITOR_LEADERSHIP, openRegistry } from '../../registry/registry.ts';
import type { CheckResult } from './check-result.ts';

const NAME = 'registry';

export async function checkRegistry({ registryUrl }: Config): Promise<CheckResult> {
  const file = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(registryUrl)?.[1];
  // The check must not create the file.
  if (file !== undefined && !existsSync(file))
    return { name: NAME, status: 'ok', message: `none yet: the first run creates ${file}` };
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
      message: `${registry.location}: ${count(runs, 'run')}, ${count(sessions, 'live session')}; ${watch}`,
    };
  } catch (thrown) {
    return {
      name: NAME,
      status: 'problem',
      message: redactText(toError(thrown).message),
      advice: 'No run can start before this is corrected. To use another registry, set REGISTRY_URL.',
    };
  }
}
