/** The sinks that are configured. */
import type { Log } from '../../core/log.ts';
import { makeMailSink } from './mail-sink.ts';
import type { Sink } from './notice.ts';
import { makeSlackSink } from './slack-sink.ts';
import { makeWebhookSink } from './webhook-sink.ts';

/** By their settings' names: undefined where a setting has no value. */
export interface SinkSettings {
  readonly slackWebhookUrl?: string | undefined;
  /** One address or several, separated by commas. */
  readonly alertEmail?: string | undefined;
  readonly smtpUrl?: string | undefined;
  readonly alertWebhookUrl?: string | undefined;
}

/**
 * One sink for each way that is configured. None, or mail with half of its settings, is a warning in the log and no error. Throws
 * `ConfigError` where a setting can't be used.
 */
export function openSinks({ slackWebhookUrl, alertEmail, smtpUrl, alertWebhookUrl }: SinkSettings, log: Log): Sink[] {
  const sinks: Sink[] = [];
  if (slackWebhookUrl) sinks.push(makeSlackSink(slackWebhookUrl));
  if (alertEmail && smtpUrl) sinks.push(makeMailSink({ smtpUrl, to: alertEmail }));
  else if (alertEmail)
    log.warn('No alerts go by e-mail: ALERT_EMAIL is set, and SMTP_URL, the mail server, is missing.');
  else if (smtpUrl) log.warn('No alerts go by e-mail: SMTP_URL is set, and ALERT_EMAIL, the addresses, is missing.');
  if (alertWebhookUrl) sinks.push(makeWebhookSink(alertWebhookUrl));
  if (sinks.length === 0) {
    log.warn('Alerts go to this log only. Set SLACK_WEBHOOK_URL, ALERT_EMAIL with SMTP_URL, or ALERT_WEBHOOK_URL.');
  }
  return sinks;
}
