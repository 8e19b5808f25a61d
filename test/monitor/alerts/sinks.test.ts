import { expect } from 'chai';
import { ConfigError } from '../../../src/core/errors.ts';
import { openSinks, type SinkSettings } from '../../../src/monitor/alerts/sinks.ts';
import { rejectionOf } from '../../support/rejection.ts';
import { openMailServer } from '../support/mail-server.ts';
import { everythingOf, makeRecordedLog, makeNotice } from '../support/notices.ts';
import { openSlackServer } from '../support/slack-server.ts';
import { openWebhookServer } from '../support/webhook-server.ts';

const SLACK = { slackWebhookUrl: 'https://hooks.slack.test/services/planted' };
const MAIL = { alertEmail: 'oncall@example.test', smtpUrl: 'smtp://planted-user:planted-password@mail.test' };
const WEBHOOK = { alertWebhookUrl: 'https://alerts.test/planted' };

/** Returns the names of the sinks, and the log. */
async function opened(settings: SinkSettings) {
  const { log, lines } = makeRecordedLog();
  const sinks = await openSinks(settings, log);
  expect(lines.join('')).not.to.contain('planted');
  return { names: sinks.map(({ name }) => name), lines };
}

describe('R208 openSinks', () => {
  it('opens a sink for each receiver in the settings, and logs nothing', async () => {
    expect(await opened({ ...SLACK, ...MAIL, ...WEBHOOK })).to.deep.equal({
      names: ['slack', 'email', 'webhook'],
      lines: [],
    });
    expect(await opened(SLACK)).to.deep.equal({ names: ['slack'], lines: [] });
    expect(await opened(MAIL)).to.deep.equal({ names: ['email'], lines: [] });
    expect(await opened(WEBHOOK)).to.deep.equal({ names: ['webhook'], lines: [] });
  });

  it('warns once that alerts go only to the log, and names the settings, if there is no receiver', async () => {
    for (const settings of [{}, { slackWebhookUrl: undefined, alertEmail: '', smtpUrl: undefined }]) {
      const { names, lines } = await opened(settings);
      expect(names).to.deep.equal([]);
      expect(lines).to.deep.equal([
        'warning: Alerts are only written to this log. To send them, set SLACK_WEBHOOK_URL, ALERT_EMAIL with SMTP_URL, or ALERT_WEBHOOK_URL.\n',
      ]);
    }
  });

  it('warns of the missing half of mail, and opens the others', async () => {
    const withoutServer = await opened({ ...SLACK, alertEmail: MAIL.alertEmail });
    expect(withoutServer.names).to.deep.equal(['slack']);
    expect(withoutServer.lines).to.have.length(1);
    expect(withoutServer.lines[0]).to.match(/^warning: .*ALERT_EMAIL is set, but SMTP_URL, .*is missing/);
    const withoutAddress = await opened({ ...WEBHOOK, smtpUrl: MAIL.smtpUrl });
    expect(withoutAddress.names).to.deep.equal(['webhook']);
    expect(withoutAddress.lines).to.have.length(1);
    expect(withoutAddress.lines[0]).to.match(/^warning: .*SMTP_URL is set, but ALERT_EMAIL, .*is missing/);
  });

  it('refuses an unusable setting with its name, and does not show its value', async () => {
    for (const [settings, name] of [
      [{ slackWebhookUrl: 'planted' }, 'SLACK_WEBHOOK_URL'],
      [{ ...MAIL, smtpUrl: 'http://planted@mail.test' }, 'SMTP_URL'],
      [{ ...MAIL, alertEmail: 'nobody' }, 'ALERT_EMAIL'],
      [{ alertWebhookUrl: 'ssh://planted' }, 'ALERT_WEBHOOK_URL'],
    ] as const) {
      const error = await rejectionOf(opened(settings));
      expect(error).to.be.instanceOf(ConfigError);
      expect(error.message).to.match(new RegExp(`^${name} must be`));
      expect(everythingOf(error)).not.to.contain('planted');
    }
  });

  it('opens sinks that deliver: one notice reaches Slack, a mailbox and a webhook', async () => {
    await using slack = await openSlackServer();
    await using mail = await openMailServer();
    await using webhook = await openWebhookServer();
    const { log, lines } = makeRecordedLog();
    const settings = {
      slackWebhookUrl: slack.hookUrl,
      alertEmail: 'oncall@example.test',
      smtpUrl: `smtp://${mail.address}`,
      alertWebhookUrl: webhook.url,
    };
    const { signal } = new AbortController();
    await Promise.all((await openSinks(settings, log)).map((sink) => sink.send(makeNotice(), signal)));
    expect([slack.messages, mail.mails, webhook.requests].map(({ length }) => length)).to.deep.equal([1, 1, 1]);
    expect(lines).to.deep.equal([]);
  });
});
