/** A program that loads the action of a file three times, calls its `run` each time and prints the results as lines of JSON. */
import path from 'node:path';

import { describeStack } from '../../src/cli/terminal/report-error.ts';
import { ActionLoader } from '../../src/cli/run/load/action-loader.ts';
import { locationInStack } from '../../src/cli/run/load/explain-load-error.ts';
import { isAction, type Action } from '../../src/runs/runs.ts';

const [, , file = ''] = process.argv;
const loader = ActionLoader.install();
const { signal } = new AbortController();
try {
  await enter(await loader.load(file, signal));
  for (let count = 0; count < 2; count += 1) await enter(await loader.reload());
} catch (error) {
  console.log(JSON.stringify({ error: String(error) }));
}

async function enter(action: Action): Promise<void> {
  const seen: unknown[] = [];
  let stack = '';
  let location: string | undefined;
  const step = () => void seen.push(new Error('x').stack?.split('\n')[2]);
  try {
    await action.run({ step, seen } as never);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    stack = describeStack(error);
    location = locationInStack(error, path.dirname(file));
  }
  console.log(JSON.stringify({ isAction: isAction(action), seen, stack, location }));
}
