/** Sends notices as JSON to any HTTP endpoint. */
import { anySignal } from '../../core/abort.ts';
import { toError } from '../../core/errors.ts';
import { DeliveryError, quoteAnswer } from './delivery-error.ts';
import { ANSWER_LIMIT_MS, exchange, secretsIn, validateEndpoint, type HttpSinkOptions } from './endpoint.ts';
import { toJson } from './message.ts';
import type { Sink } from './notice.ts';

/**
 * Makes a sink that POSTs each notice to `url` once, as JSON (see `toJson`). Any answer but 2xx, redirects included, is a
 * {@link DeliveryError}. Throws `ConfigError` if `url` is not an http or https URL.
 */
export function makeWebhookSink(url: string, { answerLimitMs = ANSWER_LIMIT_MS }: HttpSinkOptions = {}): Sink {
  const endpoint = validateEndpoint(url, { setting: 'ALERT_WEBHOOK_URL', protocols: ['https:', 'http:'] });
  return {
    name: 'webhook',
    async send(notice, signal) {
      const limit = AbortSignal.timeout(answerLimitMs);
      let response: Response;
      let answer: string;
      try {
        response = await exchange(endpoint, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(toJson(notice)),
          signal: anySignal(signal, limit),
        });
        answer = await response.text();
      } catch (thrown) {
        if (signal.aborted) throw toError(signal.reason);
        throw limit.aborted ? DeliveryError.late('webhook') : DeliveryError.unreachable('webhook', thrown);
      }
      if (response.ok) return;
      throw DeliveryError.refused('webhook', {
        status: response.status,
        quote: quoteAnswer(answer, secretsIn(endpoint)),
      });
    },
  };
}
