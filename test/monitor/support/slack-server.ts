import { openWebhookServer, type WebhookReply, type WebhookRequest, type WebhookServer } from './webhook-server.ts';

/** A path like Slack's: a team, an app, and the secret part. */
const HOOK_PATH = '/services/T0PLANTED1/B0PLANTED2/aPlantedTokenOf24Letters';

export interface SlackServer extends WebhookServer {
  /** The URL of its one incoming webhook. */
  readonly hookUrl: string;
  /** The parts of the URL that must not be shown. */
  readonly secrets: readonly string[];
  /** The messages in the channel, in order. */
  readonly messages: readonly SlackMessage[];
}

export interface SlackMessage {
  readonly text: string;
  readonly unfurl_links?: boolean;
  readonly unfurl_media?: boolean;
}

/**
 * Opens a server of incoming webhooks that answers like Slack: `ok`, or a status with a word
 * (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks).
 */
export async function openSlackServer(): Promise<SlackServer> {
  const server = await openWebhookServer();
  const messages: SlackMessage[] = [];
  server.answer((request) => reply(request, messages));
  return {
    ...server,
    hookUrl: `${server.url}${HOOK_PATH}`,
    secrets: [...HOOK_PATH.split('/').slice(2), HOOK_PATH, new URL(server.url).host],
    messages,
  };
}

function reply({ method, path, headers, body }: WebhookRequest, messages: SlackMessage[]): WebhookReply {
  if (path !== HOOK_PATH) return { status: 404, body: 'no_service' };
  if (method !== 'POST' || headers['content-type'] !== 'application/json')
    return { status: 400, body: 'invalid_payload' };
  const message = JSON.parse(body) as SlackMessage;
  if (message.text === '') return { status: 400, body: 'no_text' };
  messages.push(message);
  return { status: 200, body: 'ok' };
}
