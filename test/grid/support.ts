/** A real Selenium Grid for the tests of one file. */
import type { Context } from 'mocha';

import { openGrid, type Grid, type GridOptions } from '../../scripts/grid/open-grid.ts';

/** Opens a Grid. Skips the calling test or hook if Java or Maven is missing, except in CI. */
export async function openGridOrSkip(context: Context, options: GridOptions = {}): Promise<Grid> {
  try {
    return await openGrid(options);
  } catch (error) {
    const { message } = error as Error;
    if (process.env['CI'] !== undefined || !message.startsWith('Selenium Grid needs')) throw error;
    console.error(`      skipped: ${message}`);
    return context.skip(); // Java or Maven is missing, as the message says.
  }
}
