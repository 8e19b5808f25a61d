/**
 * The states of a supervisor: a union whose variants carry their data, and the table of the legal transitions.
 *
 *     idle -> starting -> alive -> stopping -> ended -> starting
 *                           \         \
 *                            `---------`----> dead -> starting (a restart: the next epoch)
 */
import type { Death } from '../model/death.ts';
import { InvariantError } from '../core/errors.ts';
import type { BrowserSession } from '../driver/driver.ts';
import type { Epoch } from './epoch.ts';

export type SupervisorState =
  | { readonly status: 'idle' }
  | { readonly status: 'starting' }
  | { readonly status: 'alive'; readonly epoch: Epoch; readonly session: BrowserSession }
  | { readonly status: 'stopping'; readonly epoch: Epoch; readonly session: BrowserSession }
  | { readonly status: 'ended'; readonly epoch: Epoch }
  | { readonly status: 'dead'; readonly epoch: Epoch; readonly death: Death };

export type SupervisorStatus = SupervisorState['status'];

const NEXT_STATUSES: Readonly<Record<SupervisorStatus, readonly SupervisorStatus[]>> = {
  idle: ['starting'],
  // A failed start returns to the state before it: there was no session that could have died.
  starting: ['alive', 'idle', 'ended', 'dead'],
  alive: ['stopping', 'dead', 'ended'],
  stopping: ['ended', 'dead'],
  ended: ['starting'],
  dead: ['starting'],
};

/** Returns `next`, or throws {@link InvariantError} naming both states. */
export function transition(current: SupervisorState, next: SupervisorState): SupervisorState {
  if (!NEXT_STATUSES[current.status].includes(next.status)) {
    throw new InvariantError(`A supervisor can't change its state from "${current.status}" to "${next.status}".`);
  }
  return next;
}
