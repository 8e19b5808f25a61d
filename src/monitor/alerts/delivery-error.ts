/**
 * How a notice failed to arrive. Addresses of sinks are secrets, and foreign errors quote them: none is passed on, not even as a
 * cause; what is told of them is their code, and of an answer its status and, where harmless, its beginning.
 */
import { SupervisorError, toError } from '../../core/errors.ts';
import { toLine } from './message.ts';
import type { Sink } from './notice.ts';

const LONGEST_QUOTE = 200;
/** Of an answer before it is redacted and cut. */
const LONGEST_REDACTED = 1_000;
const DEEPEST_CAUSE = 5;
const CODE = /^[A-Z][A-Z0-9_]{2,60}$/;
const RECEIVERS = { slack: 'Slack', email: 'The mail server', webhook: 'The alert webhook' } as const;
/** Of fetch and of nodemailer, where the time allowed for a phase is over. */
const TIMEOUTS: ReadonlySet<string> = new Set([
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]);

/** A notice did not arrive where it was sent to. Whoever sends it tries again. Holds nothing of the sink's address. */
export class DeliveryError extends SupervisorError {
  readonly code = 'delivery-failed';
  readonly consequence = 'retry';

  /** The receiver answered, and not with yes. `quote` is what it said, made harmless by {@link quoteAnswer}. */
  static refused(sink: Sink['name'], { status, quote }: { status: number; quote?: string | undefined }): DeliveryError {
    const answer = quote === undefined ? `${status}` : `${status} ${quote}`;
    return new DeliveryError(`${RECEIVERS[sink]} did not take the notice: ${answer.replace(/\.$/, '')}.`, {
      data: { sink, status },
    });
  }

  /** There was no answer: nobody listens, the connection broke, the time was over. */
  static unreachable(sink: Sink['name'], thrown: unknown): DeliveryError {
    const errorCode = findCode(toError(thrown));
    if (errorCode !== undefined && TIMEOUTS.has(errorCode)) return DeliveryError.late(sink, errorCode);
    return new DeliveryError(`${RECEIVERS[sink]} can't be reached: ${errorCode ?? 'no reason was given'}.`, {
      data: { sink, ...(errorCode === undefined ? {} : { errorCode }) },
    });
  }

  static late(sink: Sink['name'], errorCode = 'ETIMEDOUT'): DeliveryError {
    return new DeliveryError(`${RECEIVERS[sink]} did not answer in time.`, { data: { sink, errorCode } });
  }
}

/**
 * One redacted line of at most 200 characters; undefined where there is nothing to quote, or where the answer repeats one of the
 * `secrets`, as error pages repeat the path that was asked for.
 */
export function quoteAnswer(answer: string, secrets: readonly string[]): string | undefined {
  const lower = answer.toLowerCase();
  if (secrets.some((secret) => lower.includes(secret.toLowerCase()))) return undefined;
  return toLine(answer.slice(0, LONGEST_REDACTED), LONGEST_QUOTE) || undefined;
}

/** The innermost one says most: fetch wraps node's errors, nodemailer keeps the code of node's error beside its own. */
function findCode(error: Error, depth = 0): string | undefined {
  const { cause, code, originalCode } = error as Error & { code?: unknown; originalCode?: unknown };
  const inner = cause instanceof Error && depth < DEEPEST_CAUSE ? findCode(cause, depth + 1) : undefined;
  return inner ?? [originalCode, code].find((one): one is string => typeof one === 'string' && CODE.test(one));
}
