/** Classifies the failures of `fetch` by whether another attempt can succeed. */
import { toError } from '../../core/errors.ts';

/**
 * `network`: another attempt may succeed. `certificate`: the server is not trusted, and further attempts don't change that. `call`: nothing
 * was sent, because no client would send the call.
 */
export interface FetchFailure {
  readonly kind: 'network' | 'certificate' | 'call';
  /** The reason, as a part of a sentence. */
  readonly reason: string;
}

/** The call can't be sent by the route that it must take. The message contains the reason. A retry does not help. */
export class UnsendableError extends Error {}

/** The codes of OpenSSL's verification and of Node's own check of the host name. */
const CERTIFICATE_CODE =
  /^(CERT_|ERR_TLS_CERT_|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_(GET|VERIFY|DECRYPT|DECODE)_|INVALID_(CA|PURPOSE)$|HOSTNAME_MISMATCH$|PATH_LENGTH_EXCEEDED$)/;
/** undici's codes for requests that it refuses to send. */
const CALL_CODES: ReadonlySet<string | undefined> = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
]);
/** The messages of Node's fetch that have no code. */
const CALL_MESSAGES =
  /^(bad port|URL scheme must be a HTTP\(S\) scheme|unknown scheme|unexpected redirect)( \(through .*)?$/;
/** undici's messages for a proxy that requires a password, with the proxy's name. Chromium can't send a password to it either. */
const PROXY_PASSWORD =
  /^(Proxy Authentication Required \(407\)|Proxy response \(407\) !== 200 when HTTP Tunneling) \(through the proxy /;

/** Returns why `fetch` rejected with `thrown`. fetch's own message is only "fetch failed"; the reason is in its cause. */
export function toFetchFailure(thrown: unknown): FetchFailure {
  const error = toError(thrown);
  if (error.name === 'TimeoutError') return { kind: 'network', reason: 'it took too long' };
  const cause = innermostCause(error);
  const { code } = cause as NodeJS.ErrnoException;
  const reason = cause.message || code || error.message;
  if (PROXY_PASSWORD.test(reason))
    return {
      kind: 'call',
      reason: 'the proxy requires a user name and a password (407), and the browser has none for it',
    };
  if (code !== undefined && CERTIFICATE_CODE.test(code)) {
    const advice = 'To accept it anyway, set ACCEPT_INSECURE_CERTS=true, which applies to the browser and to api.';
    return { kind: 'certificate', reason: `its certificate is not trusted: ${reason} (${code}). ${advice}` };
  }
  const isRefused = cause instanceof UnsendableError || CALL_CODES.has(code) || CALL_MESSAGES.test(reason);
  return { kind: isRefused ? 'call' : 'network', reason };
}

/** Returns the error at the end of the chain of causes. */
export function innermostCause(error: Error): Error {
  return error.cause instanceof Error ? innermostCause(error.cause) : error;
}
