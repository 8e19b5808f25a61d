import { connect } from 'node:net';

const LIMIT_MS = 3_000;
const CRLF = '\r\n';

export interface RawAnswer {
  /** Undefined if the connection was closed without an answer. */
  readonly status: number | undefined;
  /** The head in lower case. */
  readonly head: string;
  readonly body: string;
}

export interface RawRequest {
  readonly method: string;
  /** Sent unchanged. */
  readonly target: string;
  /** One line for each header. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
}

/** Returns the bytes of a request with its content length and the given headers. */
export function toBytes({ method, target, headers, body }: RawRequest): Buffer {
  const lines = [`${method} ${target} HTTP/1.1`, ...headers];
  if (body.length > 0) lines.push(`Content-Length: ${body.length}`);
  return Buffer.concat([Buffer.from(`${lines.join(CRLF)}${CRLF}${CRLF}`, 'utf8'), body]);
}

/**
 * Sends bytes over a new connection, and returns the first complete answer, or the head of a stream. If `isAll` is true, the client ends
 * its side after them. Rejects if there is neither an answer nor an end of the connection within 3 s.
 */
export function sendBytes(
  url: string,
  bytes: Uint8Array,
  {
    isAll = false,
    hasBody = true,
    localAddress,
  }: { readonly isAll?: boolean; readonly hasBody?: boolean; readonly localAddress?: string } = {},
): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const socket = connect({ host: hostname, port: Number(port), ...(localAddress !== undefined && { localAddress }) });
    const finish = (answer: RawAnswer | undefined, error?: Error) => {
      clearTimeout(timer);
      socket.destroy();
      if (answer === undefined) reject(error ?? new Error('no answer'));
      else resolve(answer);
    };
    const timer = setTimeout(
      () => finish(undefined, new Error(`No end of the answer within ${LIMIT_MS} ms: ${received.toString('latin1')}`)),
      LIMIT_MS,
    );
    const look = (isOver: boolean) => {
      const answer = readAnswer(received, { isOver, hasBody });
      if (answer !== undefined) finish(answer);
    };
    socket.on('connect', () => {
      if (isAll) socket.end(bytes);
      else socket.write(bytes);
    });
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      look(false);
    });
    // The server answers surplus bytes by a reset.
    socket.on('error', () => look(true));
    socket.on('close', () => look(true));
  });
}

function readAnswer(
  bytes: Buffer,
  { isOver, hasBody }: { readonly isOver: boolean; readonly hasBody: boolean },
): RawAnswer | undefined {
  const text = bytes.toString('latin1');
  const headEnd = text.indexOf(CRLF + CRLF);
  if (headEnd < 0) return isOver ? { status: undefined, head: '', body: text } : undefined;
  const head = text.slice(0, headEnd).toLowerCase();
  const status = Number(/^http\/1\.[01] (\d{3})/.exec(head)?.[1]);
  const body = bytes.subarray(headEnd + 4);
  // 100 Continue: the answer follows.
  if (status < 200) return readAnswer(body, { isOver, hasBody });
  const answer = { status, head, body: body.toString('utf8') };
  const length = /^content-length: (\d+)$/m.exec(head)?.[1];
  const isStream = /^content-type: text\/event-stream/m.test(head);
  const isComplete =
    !hasBody ||
    isStream ||
    status === 204 ||
    status === 304 ||
    (length !== undefined && body.length >= Number(length)) ||
    (/^transfer-encoding: chunked/m.test(head) && text.endsWith(`0${CRLF}${CRLF}`));
  return isComplete || isOver ? answer : undefined;
}
