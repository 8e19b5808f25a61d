/** Opens the sinks of the settings. */
import type { Log } from '../../core/log.ts';
import { importOptional, type Feature } from '../../core/optional-package.ts';
import type { Sink } from './notice.ts';
import { makeWebhookSink } from './webhook-sink.ts';

/** The settings of the sinks; undefined if a setting has no value. */
export interface SinkSettings {
  readonly slackWebhookUrl?: string | undefined;
  /** One address or several, separated by commas. */
  readonly alertEmail?: string | undefined;
  readonly smtpUrl?: string | undefined;
  readonly alertWebhookUrl?: string | undefined;
}

/** Returns the optional features that {@link openSinks} needs for these settings. */
export function sinkFeatures({ slackWebhookUrl, alertEmail, smtpUrl }: SinkSettings): Feature[] {
  return [...(slackWebhookUrl ? (['slack'] as const) : []), ...(alertEmail && smtpUrl ? (['mail'] as const) : [])];
}

/**
 * Returns one sink for each receiver in the settings. Logs a warning if there is none, or if mail has only half of its settings. Throws
 * `ConfigError` if a setting can't be used, or if the package of its sink is not installed.
 */
export async function openSinks(
  { slackWebhookUrl, alertEmail, smtpUrl, alertWebhookUrl }: SinkSettings,
  log: Log,
): Promise<Sink[]> {
  const sinks: Sink[] = [];
  if (slackWebhookUrl) {
    const { makeSlackSink } = await importOptional('slack', () => import('./slack-sink.ts'));
    sinks.push(makeSlackSink(slackWebhookUrl));
  }
  if (alertEmail && smtpUrl) {
    const { makeMailSink } = await importOptional('mail', () => import('./mail-sink.ts'));
    sinks.push(makeMailSink({ smtpUrl, to: alertEmail }));
  } else if (alertEmail)
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
