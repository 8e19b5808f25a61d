import type { ServerResponse } from 'node:http';
import { cutInBody, resetBeforeAnswer, responseClosed, sendWhole, type CutKind } from './wire-faults.ts';

/** The answer of a scripted WebDriver server to one command. */
export type ScriptedAnswer =
  /** A WebDriver success. */
  | { readonly value: unknown }
  /** A WebDriver failure. Default of the HTTP status: the one that W3C WebDriver defines for this error string. */
  | { readonly error: string; readonly message?: string; readonly status?: number; readonly data?: unknown }
  /** Any HTTP answer, such as the HTML page of a proxy with status 502. */
  | { readonly status: number; readonly body: string; readonly headers?: Readonly<Record<string, string>> }
  /** A WebDriver success; the connection is cut in the middle of the body. */
  | { readonly cut: CutKind; readonly value?: unknown }
  /** The command is read and never answered. */
  | { readonly fault: 'never' }
  /** The connection is reset before a byte of the answer. */
  | { readonly fault: 'reset' };

const JSON_HEADERS = { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-cache' } as const;
const DEFAULT_ERROR_STATUS = 500;

/** The HTTP statuses of error strings other than 500 (W3C WebDriver, section "Errors"). */
const ERROR_STATUS: Readonly<Record<string, number>> = {
  'element click intercepted': 400,
  'element not interactable': 400,
  'insecure certificate': 400,
  'invalid argument': 400,
  'invalid cookie domain': 400,
  'invalid element state': 400,
  'invalid selector': 400,
  'invalid session id': 404,
  'no such alert': 404,
  'no such cookie': 404,
  'no such element': 404,
  'no such frame': 404,
  'no such shadow root': 404,
  'no such window': 404,
  'stale element reference': 404,
  'detached shadow root': 404,
  'unknown command': 404,
  'unknown method': 405,
};

/** Sends the answer. Resolves when nothing more will be sent for it. */
export async function sendScriptedAnswer(response: ServerResponse, answer: ScriptedAnswer): Promise<void> {
  if ('fault' in answer) {
    if (answer.fault === 'reset') return resetBeforeAnswer(response);
    return responseClosed(response);
  }
  if ('cut' in answer) {
    const body = JSON.stringify({ value: answer.value ?? 'this text never arrives in full' });
    return cutInBody(response, { status: 200, headers: JSON_HEADERS, body, cut: answer.cut });
  }
  if ('body' in answer) {
    const headers = { 'content-type': 'text/html; charset=utf-8', ...answer.headers };
    return sendWhole(response, { status: answer.status, headers, body: answer.body });
  }
  if ('error' in answer) {
    const { error, message = error, data, status = ERROR_STATUS[error] ?? DEFAULT_ERROR_STATUS } = answer;
    const body = JSON.stringify({ value: { error, message, stacktrace: '', ...(data === undefined ? {} : { data }) } });
    return sendWhole(response, { status, headers: JSON_HEADERS, body });
  }
  return sendWhole(response, {
    status: 200,
    headers: JSON_HEADERS,
    body: JSON.stringify({ value: answer.value ?? null }),
  });
}
