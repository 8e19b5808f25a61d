import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';

/** How a connection is cut: `fin` closes it politely in the middle, `rst` resets it. */
export type CutKind = 'fin' | 'rst';

/** A whole HTTP answer. */
export interface WholeAnswer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: string | Buffer;
}

/** Sends the answer as it should be. */
export function sendWhole(response: ServerResponse, { status, headers, body }: WholeAnswer): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

/** Promises the whole body by its `content-length`, sends half of it, and cuts the connection. */
export function cutInBody(response: ServerResponse, answer: WholeAnswer & { readonly cut: CutKind }): void {
  const body = Buffer.from(answer.body);
  const half = body.subarray(0, Math.ceil(body.length / 2));
  const { socket } = response;
  response.writeHead(answer.status, { ...answer.headers, 'content-length': body.length });
  // Cutting only after the write has left: else the client might get no headers, which is another fault.
  response.write(half, () => {
    if (answer.cut === 'rst') socket?.resetAndDestroy();
    else socket?.destroySoon();
  });
}

/** Resets the connection before a single byte was answered. */
export function resetBeforeAnswer(response: ServerResponse): void {
  response.socket?.resetAndDestroy();
}

/** Resolves once nothing can be answered on this response any more, because it is sent or its connection is gone. */
export function responseClosed(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed || response.closed) resolve();
    else response.once('close', resolve);
  });
}
