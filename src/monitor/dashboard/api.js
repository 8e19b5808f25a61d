/** The monitor's routes, as promises: an answer, or an `ApiError` whose message is fit to be shown. */
import { authorization } from './token.js';

const TIMEOUT_MS = 10_000;
const UNAUTHORIZED = 401;

let tellTokenNeeded = () => {};

/** @param {() => void} listener called whenever an answer says that the token is missing or wrong */
export function onTokenNeeded(listener) {
  tellTokenNeeded = listener;
}

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
export async function getJson(path, { accepts = [], token } = {}) {
  return send(path, { headers: { accept: 'application/json', ...authorization(token) }, cache: 'no-store' }, accepts);
}

export async function postJson(path, { body = {} } = {}) {
  const headers = { accept: 'application/json', 'content-type': 'application/json', ...authorization() };
  return send(path, { method: 'POST', headers, body: JSON.stringify(body) }, []);
}

/** As it came, whatever its status says. */
export async function getText(path) {
  const response = await request(path, { headers: authorization(), cache: 'no-store' });
  return response.text;
}

/** @returns {Promise<Response>} a stream of events; throws like {@link getJson} if there is none */
export async function openStream(path, { lastEventId, signal }) {
  const headers = {
    accept: 'text/event-stream',
    ...authorization(),
    ...(lastEventId !== '' && { 'last-event-id': lastEventId }),
  };
  const response = await fetch(path, { headers, cache: 'no-store', signal });
  if (!response.ok) throw toError(response, toJson(await response.text()));
  return response;
}

async function send(path, init, accepts) {
  const { response, text } = await request(path, init);
  const body = toJson(text);
  const isAnswer = response.ok || (accepts.includes(response.status) && body?.error === undefined);
  if (isAnswer && body !== undefined) return body;
  throw toError(response, body);
}

async function request(path, init) {
  try {
    const response = await fetch(path, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
    return { response, text: await response.text() };
  } catch (cause) {
    const isLate = cause.name === 'TimeoutError';
    throw new ApiError(isLate ? `No answer within ${TIMEOUT_MS / 1_000} s.` : 'The monitor can’t be reached.', {
      cause,
    });
  }
}

function toError({ status }, body) {
  const message = body?.error?.message ?? `The monitor answered ${status} without saying why.`;
  if (status === UNAUTHORIZED) tellTokenNeeded();
  return new ApiError(message, { status, code: body?.error?.code ?? 'unknown' });
}

function toJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text === '' ? {} : undefined;
  }
}
