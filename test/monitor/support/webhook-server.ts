import type { IncomingHttpHeaders } from 'node:http';
import { LocalServer, readBody } from '../../../src/testing/local-server.ts';
import { cutInBody, resetBeforeAnswer, sendWhole } from '../../../src/testing/wire-faults.ts';

export interface WebhookRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** An answer, `never` an answer, a `reset` before it, a `body` that is cut off in the middle, or an `endless` body. */
export type WebhookReply =
  | {
      readonly status: number;
      readonly body?: string;
      readonly headers?: Record<string, string>;
      readonly cut?: boolean;
    }
  | { readonly status: number; readonly endless: true }
  | 'never'
  | 'reset';

/** An HTTP endpoint on loopback that stores its requests. */
export interface WebhookServer extends AsyncDisposable {
  /** The address without a slash at its end. */
  readonly url: string;
  readonly requests: readonly WebhookRequest[];
  /** Sets the following answers. Default: 200 without a body. */
  answer(reply: WebhookReply | ((request: WebhookRequest) => WebhookReply)): void;
  /** Resolves when a complete request has arrived. */
  waitForRequest(): Promise<void>;
  /** Resolves at the next end of a connection. */
  waitForDisconnect(): Promise<void>;
  /** Stops listening. */
  close(): Promise<void>;
}

export async function openWebhookServer(): Promise<WebhookServer> {
  const server = await LocalServer.open();
  const requests: WebhookRequest[] = [];
  let toReply: (request: WebhookRequest) => WebhookReply = () => ({ status: 200 });
  let arrived = Promise.withResolvers<void>();
  server.serve(async (incoming, response) => {
    const { method = '', url: path = '', headers } = incoming;
    const request = { method, path, headers, body: await readBody(incoming) };
    requests.push(request);
    arrived.resolve();
    arrived = Promise.withResolvers();
    const reply = toReply(request);
    if (reply === 'never') return;
    if (reply === 'reset') resetBeforeAnswer(response);
    else if ('endless' in reply) {
      response.writeHead(reply.status);
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        response.once('drain', more);
      };
      more();
    } else {
      const whole = { status: reply.status, headers: reply.headers ?? {}, body: reply.body ?? '' };
      if (reply.cut === true) cutInBody(response, { ...whole, cut: 'rst' });
      else sendWhole(response, whole);
    }
  });
  return {
    url: server.url,
    requests,
    answer: (reply) => (toReply = typeof reply === 'function' ? reply : () => reply),
    waitForRequest: () => (requests.length > 0 ? Promise.resolve() : arrived.promise),
    waitForDisconnect: () => server.waitForDisconnect(),
    close: () => server.close(),
    [Symbol.asyncDispose]: () => server.close(),
  };
}
