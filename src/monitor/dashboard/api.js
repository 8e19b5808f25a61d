/** Calls the monitor's routes. Each call resolves with the answer, or rejects with an `ApiError` that has a message for the user. */
import { authorization } from './token.js';

/**
 * An answer, by the name of its schema in `http/shapes.ts`.
 * @template {keyof typeof import('../http/shapes.ts')} Name
 * @typedef {import('zod').output<(typeof import('../http/shapes.ts'))[Name]>} Answer
 */
/** @typedef {Answer<'run'>} Run */
/** @typedef {Answer<'session'>} Session */
/** @typedef {Answer<'event'>} Event */
/** @typedef {Answer<'death'>} Death */

const TIMEOUT_MS = 10_000;
const UNAUTHORIZED = 401;

let notifyTokenNeeded = () => {};

/** @param {() => void} listener called when the monitor refuses the token, or requires one */
export function onTokenNeeded(listener) {
  notifyTokenNeeded = listener;
}

export class ApiError extends Error {
  /**
   * @param {string} message the message of the monitor, if it sent one
   * @param {{ status?: number, cause?: unknown }} [options] `status` is 0 if there was no answer
   */
  constructor(message, { status = 0, cause } = {}) {
    super(message, { cause });
    this.status = status;
  }
}

/**
 * @param {string} path
 * @param {{ accepts?: readonly number[], token?: string }} [options] `accepts` lists error statuses whose body is an answer, such as 503 of `/health`
 */
export async function getJson(path, { accepts = [], token } = {}) {
  return send(path, { headers: { accept: 'application/json', ...authorization(token) }, cache: 'no-store' }, accepts);
}

/**
 * @param {string} path
 * @param {object} body
 */
export async function postJson(path, body) {
  const headers = { accept: 'application/json', 'content-type': 'application/json', ...authorization() };
  return send(path, { method: 'POST', headers, body: JSON.stringify(body) });
}

/**
 * Resolves with the body as text, for every status.
 * @param {string} path
 */
export async function getText(path) {
  const { text } = await request(path, { headers: authorization(), cache: 'no-store' });
  return text;
}

/**
 * Opens a stream of events. Throws like {@link getJson}.
 * @param {string} path
 * @param {{ lastEventId: string, signal: AbortSignal }} options
 */
export async function openStream(path, { lastEventId, signal }) {
  const headers = {
    accept: 'text/event-stream',
    ...authorization(),
    ...(lastEventId !== '' && { 'last-event-id': lastEventId }),
  };
  const response = await fetch(path, { headers, cache: 'no-store', signal });
  if (!response.ok || response.body === null) throw toError(response, toJson(await response.text()));
  return response.body;
}

/**
 * @param {string} path
 * @param {RequestInit} init
 * @param {readonly number[]} [accepts]
 */
async function send(path, init, accepts = []) {
  const { response, text } = await request(path, init);
  const body = toJson(text);
  const isAnswer = response.ok || (accepts.includes(response.status) && body?.error === undefined);
  if (isAnswer && body !== undefined) return body;
  throw toError(response, body);
}

/**
 * @param {string} path
 * @param {RequestInit} init
 */
async function request(path, init) {
  try {
    const response = await fetch(path, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
    return { response, text: await response.text() };
  } catch (cause) {
    const isLate = cause instanceof DOMException && cause.name === 'TimeoutError';
    throw new ApiError(isLate ? `No answer within ${TIMEOUT_MS / 1_000} s.` : 'The monitor can’t be reached.', {
      cause,
    });
  }
}

/**
 * @param {Response} response
 * @param {Partial<Answer<'failure'>> | undefined} body
 */
function toError({ status }, body) {
  const message = body?.error?.message ?? `The monitor answered ${status} without a reason.`;
  if (status === UNAUTHORIZED) notifyTokenNeeded();
  return new ApiError(message, { status });
}

/** @param {string} text */
function toJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text === '' ? {} : undefined;
  }
}
