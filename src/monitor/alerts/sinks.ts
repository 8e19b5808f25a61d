/** Opens the sinks of the settings. */
import type { Log } from '../../core/log.ts';
import { makeMailSink } from './mail-sink.ts';
import type { Sink } from './notice.ts';
import { makeSlackSink } from './slack-sink.ts';
import { makeWebhookSink } from './webhook-sink.ts';

/** The settings of the sinks; undefined if a setting has no value. */
export interface SinkSettings {
  readonly slackWebhookUrl?: string | undefined;
  /** One address or several, separated by commas. */
  readonly alertEmail?: string | undefined;
  readonly smtpUrl?: string | undefined;
  readonly alertWebhookUrl?: string | undefined;
}

/**
 * Returns one sink for each receiver in the settings. Logs a warning if there is none, or if mail has only half of its settings. Throws
 * `ConfigError` if a setting can't be used.
 */
export function openSinks({ slackWebhookUrl, alertEmail, smtpUrl, alertWebhookUrl }: SinkSettings, log: Log): Sink[] {
  const sinks: Sink[] = [];
  if (slackWebhookUrl) sinks.push(makeSlackSink(slackWebhookUrl));
  if (alertEmail && smtpUrl) sinks.push(makeMailSink({ smtpUrl, to: alertEmail }));
  else if (alertEmail)
    log.warn('No alerts are sent by e-mail: ALERT_EMAIL is set, but SMTP_URL, the mail server, is missing.');
  else if (smtpUrl)
    log.warn('No alerts are sent by e-mail: SMTP_URL is set, but ALERT_EMAIL, the receivers, is missing.');
  if (alertWebhookUrl) sinks.push(makeWebhookSink(alertWebhookUrl));
  if (sinks.length === 0) {
    log.warn(
      'Alerts are only written to this log. To send them, set SLACK_WEBHOOK_URL, ALERT_EMAIL with SMTP_URL, or ALERT_WEBHOOK_URL.',
    );
  }
  return sinks;
}
