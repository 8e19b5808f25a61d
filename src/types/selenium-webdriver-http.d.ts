/**
 * The part of `selenium-webdriver/http/index.js` that this project stands on. `@types/selenium-webdriver` describes a file `http.d.ts`
 * that can't be imported from an ES module, so the real path needs a declaration of its own.
 */
declare module 'selenium-webdriver/http/index.js' {
  import type { Executor as CommandExecutor } from 'selenium-webdriver/lib/command.js';

  /** A WebDriver command as it goes over the wire. */
  export class Request {
    constructor(method: string, path: string, data?: unknown);
    method: string;
    path: string;
    data: unknown;
    headers: Map<string, string>;
  }

  /** A WebDriver answer; `body` is the text as received. */
  export class Response {
    constructor(status: number, headers: Record<string, string>, body: string);
    status: number;
    body: string;
    headers: Map<string, string>;
  }

  /** Sends requests to the remote end. It is the public seam under {@link Executor}. */
  export interface Client {
    send(request: Request): Promise<Response>;
  }

  /** Selenium's own client, which the tests compare ours with. */
  export class HttpClient implements Client {
    constructor(url: string);
    send(request: Request): Promise<Response>;
  }

  export class Executor implements CommandExecutor {
    constructor(client: Client | Promise<Client>);
    w3c: boolean;
    execute(command: import('selenium-webdriver/lib/command.js').Command): Promise<unknown>;
    defineCommand(name: string, method: string, path: string): void;
  }
}
