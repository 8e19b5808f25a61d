/**
 * A program that gathers many records, or resumes a run that has nothing left to do. It prints its peak memory and its time as one line of
 * JSON. It is a separate process, so that no earlier work counts towards its memory. Arguments: `gather` or `resume`, and the parameters as
 * JSON.
 */
import { defineAction, loadConfig, runAction, z } from 'webdriver-supervisor';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import { openRegistry } from '../../src/registry/registry.ts';
import type { ExportFormat } from '../../src/runs/runs.ts';
import type { BigRun, BigRunFigures } from './big-runs.ts';

const [mode, json = '{}'] = process.argv.slice(2);
const { registryUrl, records, recordBytes, perUnit, units, output, format } = JSON.parse(json) as BigRun;
const text = 'x'.repeat(recordBytes - '{"number":1000000,"text":""}'.length);

const action = defineAction({
  name: 'big-run',
  description: 'Saves many records.',
  params: z.object({}),
  async run({ step, batch }) {
    const save = (first: number, saveRecord: (record: object, options: { key: string }) => void) => {
      for (let number = first; number < Math.min(first + perUnit, records); number += 1)
        saveRecord({ number, text }, { key: `${number}` });
    };
    const firsts = Array.from({ length: Math.ceil(records / perUnit) }, (_unused, index) => index * perUnit);
    if (units === 'items') await batch('b', firsts, (first, tools) => save(first, tools.save), { key: String });
    else for (const first of firsts) await step(`${first}`, (tools) => save(first, tools.save));
    if (mode === 'gather' && output === false) throw new Error('The run is left unfinished, to be resumed.');
  },
});

const startedAt = performance.now();
await using server = await openScriptedWebDriver();
await using registry = await openRegistry(registryUrl);
const outcome = await runAction(
  action,
  {},
  {
    registry,
    config: loadConfig({ environment: {}, folder: '/nonexistent' }),
    supervisor: { gridUrl: server.url },
    output,
    format: format as ExportFormat,
    ...(mode === 'resume' && { resume: 'last' }),
  },
);
const figures: BigRunFigures = {
  status: outcome.status,
  error: outcome.error?.message ?? null,
  records: outcome.records,
  peakMb: Math.round(process.resourceUsage().maxRSS / 1024),
  seconds: Math.round(performance.now() - startedAt) / 1_000,
};
console.log(JSON.stringify(figures));
