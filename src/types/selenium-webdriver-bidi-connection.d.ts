/** The one BiDi connection that selenium keeps for a driver, outside of the driver object (4.49). */
declare module 'selenium-webdriver/lib/bidi_connection.js' {
  import type { WebDriver } from 'selenium-webdriver';
  import type { WebSocket } from 'ws';

  export interface BidiConnection {
    readonly socket: WebSocket;
    send(command: object): Promise<unknown>;
    /** Rejects all that wait for an answer or for the connection. Called when the socket closes, too. */
    _failPending(error: Error): void;
  }

  /** The driver's BiDi connection; opens it if there is none, and asks the driver for its capabilities then. */
  export function getBidiConnection(driver: WebDriver): Promise<BidiConnection>;
  /** Closes the driver's BiDi connection, if it opened one; never opens one, never rejects. */
  export function closeBidiConnection(driver: WebDriver): Promise<void>;
}
