import { expect } from 'chai';
import { useFakeTimers, type SinonFakeTimers } from 'sinon';
import { CommandLog, toCommandLabel } from '../../src/driver/command-log.ts';

const SESSION = '/session/5f0c1a';

describe('CommandLog', () => {
  let clock: SinonFakeTimers;

  beforeEach(() => {
    clock = useFakeTimers({ toFake: ['performance'] });
  });

  afterEach(() => clock.restore());

  it('lists method, route, outcome and duration, the oldest first, including commands in flight', () => {
    const log = new CommandLog();
    const first = log.begin(toCommandLabel('POST', `${SESSION}/url`));
    clock.tick(34);
    first.end('200');
    log.begin(toCommandLabel('GET', `${SESSION}/title`));
    clock.tick(6);
    expect(log.lines()).to.deep.equal(['POST /url 200 34ms', 'GET /title unanswered 6ms']);
  });

  for (const [path, route] of [
    ['/session', '/session'],
    [SESSION, '/'],
    [`${SESSION}/element`, '/element'],
    [`${SESSION}/element/f.1.e.2/click`, '/element/{id}/click'],
    [`${SESSION}/element/active`, '/element/active'],
    [`${SESSION}/element/f.1.e.2/element`, '/element/{id}/element'],
    [`${SESSION}/shadow/f.1.e.3/elements`, '/shadow/{id}/elements'],
    [`${SESSION}/cookie/session_of_ann`, '/cookie/{id}'],
    [`${SESSION}/frame/parent`, '/frame/parent'],
    [`${SESSION}/webauthn/authenticator/ab12/credentials/cd34`, '/webauthn/authenticator/{id}/credentials/{id}'],
    [`${SESSION}/execute/sync`, '/execute/sync'],
  ] as const) {
    it(`records ${path} as ${route}, without ids and names`, () => {
      expect(toCommandLabel('GET', path)).to.equal(`GET ${route}`);
    });
  }

  it('stores the last 50 commands', () => {
    const log = new CommandLog();
    for (let i = 0; i < 120; i++) log.begin(toCommandLabel('GET', `${SESSION}/title`)).end(String(i));
    const lines = log.lines();
    expect(lines).to.have.length(50);
    expect([lines[0], lines.at(-1)]).to.deep.equal(['GET /title 70 0ms', 'GET /title 119 0ms']);
  });
});
