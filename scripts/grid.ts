/**
 * `npm run grid -- [--nodes 2] [--slots 4]`: starts a Selenium Grid on this machine, prints its URL, and ends it at Ctrl+C. Its jars are
 * fetched with Maven when they are first needed.
 */
import { parseArgs } from 'node:util';

import { openGrid } from './grid/open-grid.ts';

const { values: flags } = parseArgs({
  options: { nodes: { type: 'string', default: '2' }, slots: { type: 'string', default: '4' } },
});
const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stop());
console.error('Starting Selenium Grid …');
await using grid = await openGrid({ nodes: Number(flags.nodes), slots: Number(flags.slots) });
console.log(grid.url);
console.error(`GRID_URL=${grid.url} npm run action -- gather, for example. Ctrl+C ends the Grid.`);
// The promise alone does not keep the program alive.
const alive = setInterval(() => undefined, 2 ** 30);
await stopped;
clearInterval(alive);
