import { expect } from 'chai';
import { getEventListeners } from 'node:events';
import { ConfigError } from '../../../src/core/errors.ts';
import { DeliveryError } from '../../../src/monitor/alerts/delivery-error.ts';
import { makeWebhookSink } from '../../../src/monitor/alerts/webhook-sink.ts';
import { rejectionOf } from '../../support/rejection.ts';
import { everythingOf, makeNotice } from '../support/notices.ts';
import { openWebhookServer, type WebhookReply, type WebhookServer } from '../support/webhook-server.ts';

const REASON = new Error('The monitor ends.');
/** Less than any limit of the sink. A longer delivery was ended by a limit. */
const PROMPT_MS = 5_000;
const { signal: NEVER } = new AbortController();
const TOKEN = 'planted/Token';
const PASSWORD = 'pl@nted-password';

/** The secrets of the address: a token in the path and in the query, a user and a password. */
const secretUrl = ({ url }: WebhookServer) =>
  `${url.replace('//', `//planted-user:${encodeURIComponent(PASSWORD)}@`)}/hooks/${encodeURIComponent(TOKEN)}?k=planted-key`;

const SECRETS = [
  TOKEN,
  encodeURIComponent(TOKEN),
  'planted-user',
  PASSWORD,
  encodeURIComponent(PASSWORD),
  'planted-key',
];

/** Returns the error of the sink, after a check that it contains nothing of the address. */
async function failureOf(server: WebhookServer, answerLimitMs?: number): Promise<DeliveryError> {
  const sink = makeWebhookSink(secretUrl(server), answerLimitMs === undefined ? {} : { answerLimitMs });
  const error = await rejectionOf(sink.send(makeNotice(), NEVER));
  const printed = everythingOf(error);
  expect([...SECRETS, new URL(server.url).host].filter((secret) => printed.includes(secret))).to.deep.equal([]);
  expect(error).to.be.instanceOf(DeliveryError);
  return error as DeliveryError;
}

describe('R208 webhook sink: delivered notices', () => {
  it('is one POST of the notice as JSON', async () => {
    await using server = await openWebhookServer();
    await makeWebhookSink(`${server.url}/alerts?team=1`).send(makeNotice({ owner: 'Ännchen 🦉' }), NEVER);
    expect(server.requests).to.have.length(1);
    const [{ method, path, headers, body }] = server.requests as [WebhookServer['requests'][number]];
    expect({ method, path, type: headers['content-type'] }).to.deep.equal({
      method: 'POST',
      path: '/alerts?team=1',
      type: 'application/json',
    });
    const { timestamp, ...json } = JSON.parse(body) as Record<string, string>;
    expect(json).to.include({ alert: 'stuck', status: 'firing', owner: 'Ännchen 🦉', run_id: 'run-7' });
    expect(Date.parse(timestamp!)).to.be.closeTo(Date.now(), 5_000);
  });

  it('has basic authentication if the URL has user and password', async () => {
    await using server = await openWebhookServer();
    await makeWebhookSink(secretUrl(server)).send(makeNotice(), NEVER);
    const expected = Buffer.from(`planted-user:${PASSWORD}`).toString('base64');
    expect(server.requests[0]!.headers.authorization).to.equal(`Basic ${expected}`);
  });

  const yeses: Record<string, WebhookReply> = {
    'has no body': { status: 204 },
    'breaks off in its body': { status: 202, body: 'accepted', cut: true },
  };
  for (const [name, reply] of Object.entries(yeses)) {
    it(`counts as delivered with any 2xx, also one that ${name}`, async () => {
      await using server = await openWebhookServer();
      server.answer(reply);
      await makeWebhookSink(server.url).send(makeNotice(), NEVER);
      expect(server.requests).to.have.length(1);
    });
  }
});

describe('R208 webhook sink: a success with an endless body', () => {
  it('counts as delivered, and its connection is closed', async () => {
    await using server = await openWebhookServer();
    server.answer({ status: 200, endless: true });
    await makeWebhookSink(server.url).send(makeNotice(), NEVER);
    await server.waitForDisconnect();
  }).timeout(PROMPT_MS);
});

describe('R208 webhook sink: failed deliveries', () => {
  const refusals: Record<string, [reply: WebhookReply, message: string]> = {
    'a 500': [{ status: 500, body: 'Out of order.' }, '500 Out of order'],
    'a 404 without a word': [{ status: 404 }, '404'],
    'a redirect, which would take the notice elsewhere': [
      { status: 307, headers: { location: 'http://127.0.0.1:1/' } },
      '307',
    ],
    'a page full of lines and secrets': [
      { status: 400, body: '{\n  "error": "no",\n  "password": "hunter2"\n}' },
      '400 { "error": "no", "password": "***" }',
    ],
    'a refusal that breaks off in its middle': [{ status: 503, body: 'busy, busy', cut: true }, '503 busy,'],
    'a refusal without an end': [{ status: 502, endless: true }, `502 ${'x'.repeat(199)}…`],
  };
  for (const [name, [reply, answer]] of Object.entries(refusals)) {
    it(`is reported by its status if there was ${name}, and was sent once`, async () => {
      await using server = await openWebhookServer();
      server.answer(reply);
      const error = await failureOf(server);
      expect(error.message).to.equal(`The alert webhook refused the notice: ${answer}.`);
      expect(error).to.include({ code: 'delivery-failed', consequence: 'retry' });
      expect(error.data).to.deep.equal({ sink: 'webhook', status: Number(answer.slice(0, 3)) });
      expect(server.requests).to.have.length(1);
    }).timeout(PROMPT_MS);
  }

  it('is reported without the answer if that repeats the path, the query or the login', async () => {
    await using server = await openWebhookServer();
    for (const repeat of [...SECRETS, TOKEN.toUpperCase(), `${'.'.repeat(190)}${TOKEN}`]) {
      server.answer({ status: 400, body: `What is ${repeat}?` });
      expect((await failureOf(server)).message).to.equal('The alert webhook refused the notice: 400.');
    }
  });

  it('is reported by the network’s code if no server listens or the connection breaks', async () => {
    await using server = await openWebhookServer();
    server.answer('reset');
    expect((await failureOf(server)).message).to.match(
      /^The alert webhook can't be reached: (ECONNRESET|UND_ERR_SOCKET)\.$/,
    );
    await server.close();
    expect((await failureOf(server)).message).to.equal("The alert webhook can't be reached: ECONNREFUSED.");
  });

  it('is an error if the server accepts the connection and never answers', async () => {
    await using server = await openWebhookServer();
    server.answer('never');
    const error = await failureOf(server, 50);
    expect(error.message).to.equal('The alert webhook did not answer in time.');
    expect(error.data).to.deep.equal({ sink: 'webhook', errorCode: 'ETIMEDOUT' });
  });
});

describe('R208 webhook sink: aborting', () => {
  it("rejects with the signal's reason, closes the connection and leaves no listener", async () => {
    await using server = await openWebhookServer();
    server.answer('never');
    const stop = new AbortController();
    const rejection = rejectionOf(makeWebhookSink(server.url).send(makeNotice(), stop.signal));
    await server.waitForRequest();
    const disconnect = server.waitForDisconnect();
    stop.abort(REASON);
    expect(await rejection).to.equal(REASON);
    await disconnect;
    expect(getEventListeners(stop.signal, 'abort')).to.have.length(0);
  }).timeout(PROMPT_MS);

  it('sends nothing if the signal had already aborted', async () => {
    await using server = await openWebhookServer();
    const sending = makeWebhookSink(server.url).send(makeNotice(), AbortSignal.abort(REASON));
    expect(await rejectionOf(sending)).to.equal(REASON);
    expect(server.requests).to.have.length(0);
  });
});

describe('R208 webhook sink: its address', () => {
  it('is refused if it is not a web address, with the name of its setting and without its value', () => {
    for (const url of ['planted', 'file:///planted', 'http://planted:99999/', 'mailto:planted@example.test']) {
      expect(() => makeWebhookSink(url))
        .to.throw(ConfigError, 'ALERT_WEBHOOK_URL must be a URL that begins with https:// or http://.')
        .and.to.satisfy((error: Error) => !everythingOf(error).includes('planted'));
    }
  });
});
