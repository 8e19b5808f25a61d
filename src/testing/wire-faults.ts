import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';

/** The way in which a connection is cut: `fin` closes it regularly in the middle, `rst` resets it. */
export type CutKind = 'fin' | 'rst';

/** A complete HTTP answer. */
export interface WholeAnswer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: string | Buffer;
}

/** Sends the complete answer. */
export function sendWhole(response: ServerResponse, { status, headers, body }: WholeAnswer): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

/** Announces the whole body by its `content-length`, sends half of it, and cuts the connection. */
export function cutInBody(response: ServerResponse, answer: WholeAnswer & { readonly cut: CutKind }): void {
  const body = Buffer.from(answer.body);
  const half = body.subarray(0, Math.ceil(body.length / 2));
  const { socket } = response;
  response.writeHead(answer.status, { ...answer.headers, 'content-length': body.length });
  // The connection is cut only after the write. Otherwise the client might get no headers, which is another fault.
  response.write(half, () => {
    if (answer.cut === 'rst') socket?.resetAndDestroy();
    else socket?.destroySoon();
  });
}

/** Resets the connection before any byte of the answer is sent. */
export function resetBeforeAnswer(response: ServerResponse): void {
  response.socket?.resetAndDestroy();
}

/** Resolves when this response can't send anything more, because it was sent or its connection is gone. */
export function responseClosed(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed || response.closed) resolve();
    else response.once('close', resolve);
  });
}
