/** The life of one session, as a union whose variants carry their data. */
import type { Capabilities, WebDriver } from 'selenium-webdriver';

import type { DeathReport } from '../model/death.ts';
import type { SessionFacts } from './diagnosis/diagnosis.ts';
import type { SessionWatch } from './session-watch.ts';
import type { RemoteSessionEnd } from './remote-session.ts';
import type { OwnSockets } from './own-sockets.ts';

/** The parts of a session that are known once the remote end has answered the start. */
export interface Created {
  readonly id: string;
  readonly driver: WebDriver;
  readonly capabilities: Capabilities;
  readonly ownSockets: OwnSockets;
  /** Undefined if the driver belongs to this program, or the session to another one. */
  readonly remoteEnd: RemoteSessionEnd | undefined;
  /** The facts that explain the session's death. */
  readonly facts: SessionFacts;
}

/**
 * The phase of a session. The parts of earlier phases are still available after the end, because the report of a death names the page.
 *
 *     starting -> open -> stopping -> released
 *          `-------`----------------------^
 */
export type Phase =
  | {
      readonly status: 'starting';
      readonly created?: Created;
      readonly watch?: SessionWatch;
      readonly death?: DeathReport;
    }
  | { readonly status: 'open'; readonly created: Created; readonly watch: SessionWatch }
  | {
      readonly status: 'stopping';
      readonly created: Created;
      readonly watch: SessionWatch;
      readonly done: Promise<void>;
    }
  | {
      readonly status: 'released';
      readonly created?: Created;
      readonly watch?: SessionWatch;
      readonly done: Promise<void>;
    };
