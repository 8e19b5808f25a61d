/**
 * The error of a notice that did not arrive. Addresses of sinks are secrets, and foreign errors quote them. Therefore no foreign error is
 * passed on, not even as a cause. The error has only the foreign code, the status of an answer and, if it is harmless, its beginning.
 */
import { SupervisorError, toError } from '../../core/errors.ts';
import { toLine } from './message.ts';
import type { Sink } from './notice.ts';

const MAX_QUOTE_LENGTH = 200;
/** The part of an answer that is redacted before it is cut to a quote. */
const MAX_REDACTED_LENGTH = 1_000;
const MAX_CAUSE_DEPTH = 5;
const CODE = /^[A-Z][A-Z0-9_]{2,60}$/;
const RECEIVERS = { slack: 'Slack', email: 'The mail server', webhook: 'The alert webhook' } as const;
/** The codes of fetch and nodemailer for a phase that took too long. */
const TIMEOUT_CODES: ReadonlySet<string> = new Set([
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]);

/** A notice did not arrive. The notifier tries again. The error contains no part of the sink's address. */
export class DeliveryError extends SupervisorError {
  readonly code = 'delivery-failed';
  readonly consequence = 'retry';

  /** The receiver refused the notice. `quote` is the beginning of its answer from {@link quoteAnswer}. */
  static refused(sink: Sink['name'], { status, quote }: { status: number; quote?: string | undefined }): DeliveryError {
    const answer = quote === undefined ? `${status}` : `${status} ${quote}`;
    return new DeliveryError(`${RECEIVERS[sink]} refused the notice: ${answer.replace(/\.$/, '')}.`, {
      data: { sink, status },
    });
  }

  /** There was no answer: no server listens, the connection broke, or the time was over. */
  static unreachable(sink: Sink['name'], thrown: unknown): DeliveryError {
    const errorCode = findCode(toError(thrown));
    if (errorCode !== undefined && TIMEOUT_CODES.has(errorCode)) return DeliveryError.late(sink, errorCode);
    return new DeliveryError(`${RECEIVERS[sink]} can't be reached: ${errorCode ?? 'no reason was given'}.`, {
      data: { sink, ...(errorCode === undefined ? {} : { errorCode }) },
    });
  }

  static late(sink: Sink['name'], errorCode = 'ETIMEDOUT'): DeliveryError {
    return new DeliveryError(`${RECEIVERS[sink]} did not answer in time.`, { data: { sink, errorCode } });
  }
}

/**
 * Returns one redacted line of at most 200 characters. Undefined if there is nothing to quote, or if the answer contains one of the
 * `secrets`: error pages repeat the path of the request.
 */
export function quoteAnswer(answer: string, secrets: readonly string[]): string | undefined {
  const lower = answer.toLowerCase();
  if (secrets.some((secret) => lower.includes(secret.toLowerCase()))) return undefined;
  return toLine(answer.slice(0, MAX_REDACTED_LENGTH), MAX_QUOTE_LENGTH) || undefined;
}

/** Returns the innermost code, the most specific one: fetch wraps Node's errors, and nodemailer has that code and its own. */
function findCode(error: Error, depth = 0): string | undefined {
  const { cause, code, originalCode } = error as Error & { code?: unknown; originalCode?: unknown };
  const inner = cause instanceof Error && depth < MAX_CAUSE_DEPTH ? findCode(cause, depth + 1) : undefined;
  return inner ?? [originalCode, code].find((one): one is string => typeof one === 'string' && CODE.test(one));
}
