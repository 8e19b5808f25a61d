import { expect } from 'chai';
import { getEventListeners } from 'node:events';
import { ConfigError } from '../../../src/core/errors.ts';
import { DeliveryError } from '../../../src/monitor/alerts/delivery-error.ts';
import { makeSlackSink } from '../../../src/monitor/alerts/slack-sink.ts';
import { rejectionOf } from '../../support/rejection.ts';
import { everythingOf, makeNotice } from '../support/notices.ts';
import { openSlackServer, type SlackServer } from '../support/slack-server.ts';
import type { WebhookReply } from '../support/webhook-server.ts';

const REASON = new Error('The monitor ends.');
/** Less than any limit of the sink. A longer delivery was ended by a limit. */
const PROMPT_MS = 5_000;
const { signal: NEVER } = new AbortController();

/** Returns the error of the sink, after a check that it contains nothing of the address. */
async function failureOf(server: SlackServer, answerLimitMs?: number): Promise<DeliveryError> {
  const sink = makeSlackSink(server.hookUrl, answerLimitMs === undefined ? {} : { answerLimitMs });
  const error = await rejectionOf(sink.send(makeNotice(), NEVER));
  const printed = everythingOf(error).toLowerCase();
  expect(server.secrets.filter((secret) => printed.includes(secret.toLowerCase()))).to.deep.equal([]);
  expect(error).to.be.instanceOf(DeliveryError);
  return error as DeliveryError;
}

describe('R208 Slack sink: delivered notices', () => {
  it('is the whole notice, once, without previews of links', async () => {
    await using slack = await openSlackServer();
    await makeSlackSink(slack.hookUrl).send(makeNotice(), NEVER);
    expect(slack.requests).to.have.length(1);
    expect(slack.messages).to.have.length(1);
    expect(slack.messages[0]).to.include({ unfurl_links: false, unfurl_media: false });
    expect(slack.messages[0]!.text.split('\n'))
      .to.include.members(['Owner: ann', 'Run: run-7', 'Next: npm run runs -- show run-7'])
      .and.to.include('CRITICAL stuck: The run made no progress for 31 minutes.');
  });

  it('has no mentions and no links with other texts, even if the names of owners and pages contain them', async () => {
    await using slack = await openSlackServer();
    const owner = '<!channel> <@U123> &lt;!here&gt;';
    const message = 'Died at <https://evil.test|your bank> & more';
    await makeSlackSink(slack.hookUrl).send(makeNotice({ owner, message }), NEVER);
    const [{ text } = { text: '' }] = slack.messages;
    expect(text).not.to.match(/[<>]/);
    expect(text).to.contain('Owner: &lt;!channel&gt; &lt;@U123&gt; &amp;lt;!here&amp;gt;\n');
    expect(text).to.contain('Died at &lt;https://evil.test|your bank&gt; &amp; more\n');
  });

  it('includes the next notice after one that did not arrive', async () => {
    await using slack = await openSlackServer();
    const sink = makeSlackSink(slack.hookUrl);
    const silent = new AbortController();
    silent.abort(REASON);
    expect(await rejectionOf(sink.send(makeNotice(), silent.signal))).to.equal(REASON);
    await sink.send(makeNotice({ status: 'recovered' }), NEVER);
    expect(slack.messages.map(({ text }) => text.slice(0, 9))).to.deep.equal(['RECOVERED']);
  });
});

describe('R208 Slack sink: failed deliveries', () => {
  it("is a DeliveryError with Slack's status and word, to be tried again", async () => {
    await using slack = await openSlackServer();
    slack.answer({ status: 404, body: 'no_service' });
    const error = await failureOf(slack);
    expect(error).to.include({ code: 'delivery-failed', consequence: 'retry', name: 'DeliveryError' });
    expect(error.message).to.equal('Slack refused the notice: 404 no_service.');
    expect(error.data).to.deep.equal({ sink: 'slack', status: 404 });
  });

  const refusals: Record<string, [reply: WebhookReply, message: string]> = {
    'a 500 without a word': [{ status: 500 }, '500'],
    'a limit of its rate': [
      { status: 429, body: 'rate_limited', headers: { 'retry-after': '30' } },
      '429 rate_limited',
    ],
    'a redirect, which would take the notice elsewhere': [
      { status: 302, headers: { location: 'http://127.0.0.1:1/' } },
      '302',
    ],
    'a refusal that breaks off in its middle': [{ status: 503, body: 'busy, busy', cut: true }, '503 busy,'],
    'a refusal without an end': [{ status: 502, endless: true }, `502 ${'x'.repeat(199)}…`],
  };
  for (const [name, [reply, answer]] of Object.entries(refusals)) {
    it(`is reported by its status if there was ${name}, and was sent once`, async () => {
      await using slack = await openSlackServer();
      slack.answer(reply);
      expect((await failureOf(slack)).message).to.equal(`Slack refused the notice: ${answer}.`);
      expect(slack.requests).to.have.length(1);
    }).timeout(PROMPT_MS);
  }

  it('is reported without the answer if that repeats the address, in upper or lower case', async () => {
    await using slack = await openSlackServer();
    for (const change of [(path: string) => path, (path: string) => path.toUpperCase(), encodeURIComponent]) {
      slack.answer(({ path }) => ({ status: 404, body: `Cannot POST ${change(path)}` }));
      expect((await failureOf(slack)).message).to.equal('Slack refused the notice: 404.');
    }
  });

  it('is reported by the network’s code if no server listens or the connection breaks', async () => {
    await using slack = await openSlackServer();
    slack.answer('reset');
    expect((await failureOf(slack)).message).to.match(/^Slack can't be reached: (ECONNRESET|UND_ERR_SOCKET)\.$/);
    await slack.close();
    const error = await failureOf(slack);
    expect(error.message).to.equal("Slack can't be reached: ECONNREFUSED.");
    expect(error.data).to.deep.equal({ sink: 'slack', errorCode: 'ECONNREFUSED' });
  });

  it('is an error if Slack accepts the connection and never answers', async () => {
    await using slack = await openSlackServer();
    slack.answer('never');
    expect((await failureOf(slack, 50)).message).to.equal('Slack did not answer in time.');
  });
});

describe('R208 Slack sink: aborting', () => {
  it("rejects with the signal's reason, closes the connection and leaves no listener", async () => {
    await using slack = await openSlackServer();
    slack.answer('never');
    const stop = new AbortController();
    const rejection = rejectionOf(makeSlackSink(slack.hookUrl).send(makeNotice(), stop.signal));
    await slack.waitForRequest();
    const disconnect = slack.waitForDisconnect();
    stop.abort(REASON);
    expect(await rejection).to.equal(REASON);
    await disconnect;
    expect(getEventListeners(stop.signal, 'abort')).to.have.length(0);
  }).timeout(PROMPT_MS);

  it('sends nothing if the signal had already aborted', async () => {
    await using slack = await openSlackServer();
    await rejectionOf(makeSlackSink(slack.hookUrl).send(makeNotice(), AbortSignal.abort(REASON)));
    expect(slack.requests).to.have.length(0);
  });
});

describe('R208 Slack sink: its address', () => {
  it('is refused if it is not a web address, with the name of its setting and without its value', () => {
    for (const url of ['hooks.slack.com/services/planted', 'ftp://hooks.slack.test/planted', 'https://:planted', '']) {
      expect(() => makeSlackSink(url))
        .to.throw(ConfigError, 'SLACK_WEBHOOK_URL must be a URL that begins with https:// or http://.')
        .and.to.satisfy((error: Error) => !everythingOf(error).includes('planted'));
    }
  });
});
