import { Agent, request } from 'node:http';

/** An HTTP answer as it came: also when it was cut off, which is then told by `error`. */
export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests reach into answers whose shape they are about to check
  readonly json: any;
  /** Code of the error that ended the body before its promised end. */
  readonly error: string | undefined;
}

export interface SendOptions {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly agent?: Agent;
  readonly signal?: AbortSignal;
}

/** One request over a connection of its own, unless an agent is given. Rejects when no answer begins. */
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

/** Resolves with the code of the error that the promise rejects with. */
export async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
  throw new Error('It was expected to reject, and it resolved.');
}

/** Whether the promise is still pending after all that is ready now has run. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  const turn = new Promise((resolve) => setImmediate(resolve, pending));
  return (await Promise.race([promise.catch(() => undefined), turn])) === pending;
}
