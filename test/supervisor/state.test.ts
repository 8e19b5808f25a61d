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
// The table uses only the status, so the data of the variants is left out.
const stateOf = (status: SupervisorStatus) => ({ status }) as SupervisorState;

describe('transition: the states of a supervisor (R108)', () => {
  for (const from of STATUSES) {
    it(`allows only ${ALLOWED[from].join(', ')} after ${from}, and names both states in the error for any other (R108)`, () => {
      for (const to of STATUSES) {
        const next = stateOf(to);
        if (ALLOWED[from].includes(to)) expect(transition(stateOf(from), next)).to.equal(next);
        else expect(() => transition(stateOf(from), next)).to.throw(InvariantError, `from "${from}" to "${to}"`);
      }
    });
  }
});
