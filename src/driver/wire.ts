/**
 * The shapes of selenium's HTTP seam (`selenium-webdriver/http/index.js`), for declarations. That module has no types of its own, so no
 * declaration of the built package may name it.
 */

/** A WebDriver command as it is sent. */
export interface WireRequest {
  method: string;
  path: string;
  data: unknown;
  headers: Map<string, string>;
}

/** A WebDriver answer. `body` is the text as received. */
export interface WireResponse {
  status: number;
  body: string;
  headers: Map<string, string>;
}

/** Sends requests to the remote end: what selenium's `Executor` is made with. */
export interface WireClient {
  send(request: WireRequest): Promise<WireResponse>;
}
