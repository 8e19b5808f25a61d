/** Sends notices to a Slack channel by an incoming webhook. The only module that imports @slack/webhook. */
import { IncomingWebhook, IncomingWebhookHTTPError, type FetchFunction } from '@slack/webhook';

import { anySignal } from '../../core/abort.ts';
import { toError } from '../../core/errors.ts';
import { DeliveryError, quoteAnswer } from './delivery-error.ts';
import { ANSWER_LIMIT_MS, exchange, secretsIn, validateEndpoint, type HttpSinkOptions } from './endpoint.ts';
import { toText } from './message.ts';
import type { Sink } from './notice.ts';

/**
 * Makes a sink that sends each notice once, as text without mentions. Any answer but 2xx is a {@link DeliveryError}. Throws `ConfigError`
 * if `url` is not an http or https URL.
 */
export function makeSlackSink(url: string, { answerLimitMs = ANSWER_LIMIT_MS }: HttpSinkOptions = {}): Sink {
  const endpoint = validateEndpoint(url, { setting: 'SLACK_WEBHOOK_URL', protocols: ['https:', 'http:'] });
  return {
    name: 'slack',
    async send(notice, signal) {
      const limit = AbortSignal.timeout(answerLimitMs);
      const fetchOnce: FetchFunction = (_url, init) =>
        exchange(endpoint, { ...(init as RequestInit), signal: anySignal(signal, limit) });
      try {
        await new IncomingWebhook(url, { fetch: fetchOnce }).send({
          text: escapeForSlack(toText(notice)),
          unfurl_links: false,
          unfurl_media: false,
        });
      } catch (thrown) {
        if (signal.aborted) throw toError(signal.reason);
        if (thrown instanceof IncomingWebhookHTTPError) {
          throw DeliveryError.refused('slack', {
            status: thrown.statusCode,
            quote: quoteAnswer(thrown.body ?? '', secretsIn(endpoint)),
          });
        }
        throw limit.aborted ? DeliveryError.late('slack') : DeliveryError.unreachable('slack', thrown);
      }
    },
  };
}

/** Escapes the characters of mentions (`<!channel>`, `<@U123>`) and links: https://docs.slack.dev/messaging/formatting-message-text */
function escapeForSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
