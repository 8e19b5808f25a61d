import { expect } from 'chai';

import { assertBrowserFits } from '../../../src/cli/doctor/check-browser.ts';
import { loadConfig } from '../../../src/config/config.ts';
import { makeWrappers } from './version-wrappers.ts';

describe('the versions of browser and driver', () => {
  it('are read with the variables of BROWSER_ENVIRONMENT before a run', async () => {
    await using wrappers = await makeWrappers();
    const fits = assertBrowserFits(loadConfig({ environment: wrappers.environment }));
    const refusal = await fits.catch(String);
    expect(refusal).to.contain('is 156.0').and.contain('is 155.0');
  });
});
