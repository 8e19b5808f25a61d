import assert from 'node:assert/strict';

import { leftovers } from 'webdriver-supervisor/testing';

it('has no browser', () => {
  if (process.env['MOCHA_WORKER_ID'] !== undefined) return;
  assert.deepEqual(leftovers().processes, []);
});
