/** The monitor's routes, as promises: an answer, or an `ApiError` whose message is fit to be shown. */

const TIMEOUT_MS = 10_000;

/** What went wrong, in the monitor's words where it had some; `status` is 0 where nothing was answered. */
export class ApiError extends Error {
  constructor(message, { status = 0, code = 'no-answer', cause } = {}) {
    super(message, { cause });
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
  }
}

/** `accepts` names error statuses whose body is an answer all the same, such as 503 of `/health`. */
export async function getJson(path, { accepts = [] } = {}) {
  return send(path, { headers: { accept: 'application/json' }, cache: 'no-store' }, accepts);
}

export async function postJson(path, { token, body = {} }) {
  const headers = { accept: 'application/json', 'content-type': 'application/json', authorization: `Bearer ${token}` };
  return send(path, { method: 'POST', headers, body: JSON.stringify(body) }, []);
}

async function send(path, init, accepts) {
  let response;
  let body;
  try {
    response = await fetch(path, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
    body = toJson(await response.text());
  } catch (cause) {
    const isLate = cause.name === 'TimeoutError';
    throw new ApiError(isLate ? `No answer within ${TIMEOUT_MS / 1_000} s.` : 'The monitor can’t be reached.', {
      cause,
    });
  }
  const { status } = response;
  const isAnswer = response.ok || (accepts.includes(status) && body?.error === undefined);
  if (isAnswer && body !== undefined) return body;
  const message = body?.error?.message ?? `The monitor answered ${status} without saying why.`;
  throw new ApiError(message, { status, code: body?.error?.code ?? 'unknown' });
}

function toJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text === '' ? {} : undefined;
  }
}
