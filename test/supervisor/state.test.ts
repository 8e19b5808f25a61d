import { expect } from 'chai';

import { InvariantError } from '../../src/core/errors.ts';
import { transition, type SupervisorState, type SupervisorStatus } from '../../src/supervisor/state.ts';

const ALLOWED: Readonly<Record<SupervisorStatus, readonly SupervisorStatus[]>> = {
  idle: ['starting'],
  starting: ['alive', 'idle', 'ended', 'dead'],
  alive: ['stopping', 'dead', 'ended'],
  stopping: ['ended', 'dead'],
  ended: ['starting'],
  dead: ['starting'],
};
const STATUSES = Object.keys(ALLOWED) as SupervisorStatus[];
// Only the status counts in the table; what a variant carries is its maker's business.
const stateOf = (status: SupervisorStatus) => ({ status }) as SupervisorState;

describe('transition: the table of a supervisor’s life (R108)', () => {
  for (const from of STATUSES) {
    it(`lets only ${ALLOWED[from].join(', ')} follow ${from}, and refuses the rest, naming both states (R108)`, () => {
      for (const to of STATUSES) {
        const next = stateOf(to);
        if (ALLOWED[from].includes(to)) expect(transition(stateOf(from), next)).to.equal(next);
        else expect(() => transition(stateOf(from), next)).to.throw(InvariantError, `from "${from}" to "${to}"`);
      }
    });
  }
});
