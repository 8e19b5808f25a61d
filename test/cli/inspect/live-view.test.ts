import { expect } from 'chai';

import { renderRun } from '../../../src/cli/inspect/render-run.ts';
import { renderSession } from '../../../src/cli/inspect/render-session.ts';
import { makeStoredRun, makeStoredSession } from '../../support/stored-rows.ts';

const liveView = 'http://grid:4444/ui/#/session/1';

describe('The page of a Grid about a session', () => {
  it('is shown with the run while the session is live', () => {
    const sessions = [makeStoredSession({ liveView }), makeStoredSession()];
    expect(renderRun(makeStoredRun(), { sessions })).to.match(/^live view +http:\/\/grid:4444\/ui\/#\/session\/1$/m);
    expect(renderRun(makeStoredRun())).not.to.contain('live view');
  });

  it('is shown with the session while it is live', () => {
    expect(renderSession(makeStoredSession({ liveView }))).to.include(liveView);
    expect(renderSession(makeStoredSession({ liveView, status: 'ended' }))).not.to.include('live view');
  });
});
