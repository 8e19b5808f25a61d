import {
  defineAction,
  runAction,
  z,
  type RunOptions,
  type RunOutcome,
  type SessionSupervisor,
} from 'webdriver-supervisor';

import type { ActionContext } from '../../src/runs/runs.ts';
import { makeTestConfig } from './scripted-run.ts';

export type DownloadWork = (
  context: ActionContext,
  stage: { readonly entry: number; readonly supervisor: SessionSupervisor },
) => Promise<void>;

/** Runs `work` as an action. `entry` is 1 until the run is entered again after a death; `supervisor` is that of the run's first session. */
export function runDownloads(
  work: DownloadWork,
  options: Pick<RunOptions, 'output' | 'supervisor'>,
): Promise<RunOutcome> {
  let entry = 0;
  let supervisor: SessionSupervisor | undefined;
  const action = defineAction({
    name: 'downloads',
    description: 'An action of a test.',
    params: z.object({}),
    run: (context) => work(context, { entry: (entry += 1), supervisor: supervisor! }),
  });
  const onSession = (started: SessionSupervisor) => void (supervisor ??= started);
  return runAction(action, {}, { ...options, config: makeTestConfig(), onSession });
}
