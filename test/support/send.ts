import { Agent, request } from 'node:http';

/** An HTTP answer as it was received. */
export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read answers whose shape they check
  readonly json: any;
  /** The code of the error that ended the body early. */
  readonly error: string | undefined;
}

export interface SendOptions {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly agent?: Agent;
  readonly signal?: AbortSignal;
}

/** Sends one request, on a new connection unless an agent is given. Rejects if no answer begins. */
export function send(
  url: string,
  { method = 'GET', body, headers = {}, agent, signal }: SendOptions = {},
): Promise<Answer> {
  const payload = body === undefined ? '' : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method,
      headers: { ...headers, 'content-length': Buffer.byteLength(payload), 'content-type': 'application/json' },
      agent: agent ?? new Agent(),
      ...(signal && { signal }),
    });
    outgoing.on('error', reject);
    outgoing.on('response', (response) => {
      const chunks: Buffer[] = [];
      let error: string | undefined;
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', (cause: NodeJS.ErrnoException) => (error = cause.code));
      response.on('close', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const isJson = error === undefined && (response.headers['content-type'] ?? '').includes('json');
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          json: isJson ? JSON.parse(text) : undefined,
          error,
        });
      });
    });
    outgoing.end(payload);
  });
}

/** Returns the code of the error with which the promise rejects. Throws if it resolves. */
export async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
  throw new Error('The promise was expected to reject, but it resolved.');
}

/** Returns true if the promise is still pending after one turn of the event loop. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  const turn = new Promise((resolve) => setImmediate(resolve, pending));
  return (await Promise.race([promise.catch(() => undefined), turn])) === pending;
}
