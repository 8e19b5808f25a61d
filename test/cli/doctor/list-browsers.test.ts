import { expect } from 'chai';

import { listBrowsers } from '../../../src/cli/doctor/list-browsers.ts';
import { makeTestConfig } from '../../support/scripted-run.ts';

describe('The browsers that doctor lists', () => {
  it('has one line for each, with its driver and what is watched', async () => {
    const program = process.execPath;
    const config = makeTestConfig({ firefoxBinary: program, geckodriver: program, edgeBinary: '/nowhere/edge' });
    const [chrome, firefox, edge, ...others] = await listBrowsers(config);
    expect(others).to.deep.equal([]);
    expect(chrome).to.deep.include({ name: 'Chrome', status: 'ok' });
    expect(chrome?.message).to.match(/chromedriver (not )?found.*; sessions are watched by DevTools and the process$/);
    expect(firefox).to.deep.equal({
      name: 'Firefox',
      status: 'ok',
      message: `found (${program}), geckodriver found (${program}); sessions are watched by BiDi and the process`,
    });
    expect(edge).to.deep.include({ name: 'Edge', status: 'warning' });
    expect(edge?.message).to.equal('EDGE_BINARY is /nowhere/edge, which does not exist.');
  });
});
