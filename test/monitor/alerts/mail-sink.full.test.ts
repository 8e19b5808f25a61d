import { expect } from 'chai';
import { getEventListeners } from 'node:events';
import os from 'node:os';
import { ConfigError } from '../../../src/core/errors.ts';
import { DeliveryError } from '../../../src/monitor/alerts/delivery-error.ts';
import { makeMailSink } from '../../../src/monitor/alerts/mail-sink.ts';
import { eventually } from '../../support/eventually.ts';
import { rejectionOf } from '../../support/rejection.ts';
import { openMailServer, type MailServer } from '../support/mail-server.ts';
import { everythingOf, makeNotice } from '../support/notices.ts';

const REASON = new Error('The monitor ends.');
/** Less than any limit of the sink. A longer delivery was ended by a limit. */
const PROMPT_MS = 5_000;
const { signal: NEVER } = new AbortController();
const TO = 'oncall@example.test';
const LOGIN = { user: 'planted-user@example.test', password: 'pl@nted/password' };
const CREDENTIALS = `${encodeURIComponent(LOGIN.user)}:${encodeURIComponent(LOGIN.password)}@`;
/** User and password in plain text, as encoded in the URL, and as sent over the network. */
const SECRETS = [LOGIN.user, LOGIN.password, `\0${LOGIN.user}\0${LOGIN.password}`]
  .flatMap((secret) => [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')])
  .concat('planted');

/** The certificate of the test server is not trusted. */
const ANY_CERTIFICATE = '?tls.rejectUnauthorized=false';

/** Returns the error of the sink, after a check that it contains neither user nor password. */
async function failureOf({ address }: MailServer, { query = '', phaseLimitMs = 10_000 } = {}): Promise<DeliveryError> {
  const sink = makeMailSink({ smtpUrl: `smtp://${CREDENTIALS}${address}/${query}`, to: TO, phaseLimitMs });
  const error = await rejectionOf(sink.send(makeNotice(), NEVER));
  const printed = everythingOf(error);
  expect(SECRETS.filter((secret) => printed.includes(secret))).to.deep.equal([]);
  expect(error).to.be.instanceOf(DeliveryError);
  return error as DeliveryError;
}

describe('R208 mail sink: delivered notices', () => {
  it('is one mail with the whole notice as text, marked as automatic', async () => {
    await using server = await openMailServer();
    await makeMailSink({ smtpUrl: `smtp://${server.address}`, to: TO }).send(makeNotice({ owner: 'Ännchen' }), NEVER);
    expect(server.mails).to.have.length(1);
    const [{ from, to, headers, text }] = server.mails as [MailServer['mails'][number]];
    expect({ from, to }).to.deep.equal({ from: `webdriver-supervisor@${os.hostname()}`, to: [TO] });
    expect(headers.get('subject')).to.equal('[webdriver-supervisor] critical: stuck – owner Ännchen');
    expect(headers.get('auto-submitted')).to.equal('auto-generated');
    expect(headers.get('content-type')).to.match(/^text\/plain/);
    expect(headers.get('message-id')).to.match(/^<[^<>\s]+@[^<>\s]+>$/);
    expect(Date.parse(headers.get('date')!)).to.be.closeTo(Date.now(), 5_000);
    expect(text.split('\n'))
      .to.include.members(['Owner: Ännchen', 'Session: session-3', 'Next: npm run runs -- show run-7'])
      .and.to.include('CRITICAL stuck: The run made no progress for 31 minutes.');
  });

  it('goes to all addresses, from the sender in the options', async () => {
    await using server = await openMailServer();
    const to = 'ann@example.test, Bob <bob@example.test>';
    const sink = makeMailSink({ smtpUrl: `smtp://${server.address}`, to, from: 'Alerts <alerts@example.test>' });
    await sink.send(makeNotice(), NEVER);
    expect(server.mails).to.have.length(1);
    expect(server.mails[0]).to.deep.include({
      from: 'alerts@example.test',
      to: ['ann@example.test', 'bob@example.test'],
    });
  });

  it('counts as delivered when the server accepts one of the addresses, which would get it twice by another attempt', async () => {
    const refuse = (address: string) => (address.startsWith('gone') ? { code: 550, text: 'No such user' } : undefined);
    await using server = await openMailServer({ refuse });
    const sink = makeMailSink({ smtpUrl: `smtp://${server.address}`, to: `gone@example.test, ${TO}` });
    await sink.send(makeNotice(), NEVER);
    expect(server.mails.map(({ to }) => to)).to.deep.equal([[TO]]);
  });

  it('has no headers or recipients injected by an owner, a rule or a host', async () => {
    await using server = await openMailServer();
    const injection = 'x\r\nBcc: victim@example.test\r\nX-Planted: 1\r\n\r\nNew body';
    const sink = makeMailSink({ smtpUrl: `smtp://${server.address}`, to: TO });
    await sink.send(makeNotice({ owner: injection, rule: injection, message: `.\r\n${injection}` }), NEVER);
    await sink.send(makeNotice({ owner: null, host: injection }), NEVER);
    expect(server.mails.map(({ to }) => to)).to.deep.equal([[TO], [TO]]);
    for (const { headers } of server.mails) {
      expect([...headers.keys()])
        .not.to.include.members(['bcc'])
        .and.not.to.include('x-planted');
      expect(headers.get('subject')!.length).to.be.at.most(150);
    }
  });
});

describe('R208 mail sink: connection', () => {
  it('logs in with user and password of the URL, over STARTTLS if the server offers it', async () => {
    await using server = await openMailServer({ security: 'starttls', login: LOGIN });
    const smtpUrl = `smtp://${CREDENTIALS}${server.address}${ANY_CERTIFICATE}`;
    await makeMailSink({ smtpUrl, to: TO }).send(makeNotice(), NEVER);
    expect(server.mails).to.have.length(1);
    expect(server.mails[0]).to.include({ isSecure: true, user: LOGIN.user });
  });

  it('sends as the user who logs in, if that is an address', async () => {
    const login = { user: 'monitor@example.org', password: 'secret' };
    await using server = await openMailServer({ login });
    const smtpUrl = `smtp://${encodeURIComponent(login.user)}:${login.password}@${server.address}`;
    await makeMailSink({ smtpUrl, to: TO }).send(makeNotice(), NEVER);
    expect(server.mails[0]).to.include({ from: login.user, user: login.user });
  });

  it('uses TLS from the start for smtps://', async () => {
    await using server = await openMailServer({ security: 'smtps', login: LOGIN });
    const smtpUrl = `smtps://${CREDENTIALS}${server.address}${ANY_CERTIFICATE}`;
    await makeMailSink({ smtpUrl, to: TO }).send(makeNotice(), NEVER);
    expect(server.mails[0]).to.include({ isSecure: true, user: LOGIN.user });
  });

  it('sends neither the notice nor the password to a server with an untrusted certificate', async () => {
    await using server = await openMailServer({ security: 'starttls', login: LOGIN });
    const error = await failureOf(server);
    expect(error.message).to.match(/^The mail server can't be reached: [A-Z_]*CERT[A-Z_]*\.$/);
    expect(server.mails).to.have.length(0);
  });

  it('ignores other options in the query of the URL, such as to log the conversation', async () => {
    await using server = await openMailServer({ login: LOGIN });
    const query = '?logger=true&debug=true&pool=true&jsonTransport=true';
    await makeMailSink({ smtpUrl: `smtp://${CREDENTIALS}${server.address}/${query}`, to: TO }).send(
      makeNotice(),
      NEVER,
    );
    expect(server.mails).to.have.length(1);
    // A pool would leave its connection open.
    await eventually(async () => server.openConnections === 0, 'the end of the connection');
  }).timeout(PROMPT_MS);
});

describe('R208 mail sink: failed deliveries', () => {
  it('is an error with the status and the text of the server, to be tried again', async () => {
    await using server = await openMailServer({ login: LOGIN, refuse: () => ({ code: 550, text: 'No such user' }) });
    const error = await failureOf(server);
    expect(error.message).to.equal('The mail server refused the notice: 550 No such user.');
    expect(error).to.include({ code: 'delivery-failed', consequence: 'retry' });
    expect(error.data).to.deep.equal({ sink: 'email', status: 550 });
  });

  it('is reported without the server’s text if that repeats the user', async () => {
    const refuse = () => ({ code: 553, text: `Not owned by ${LOGIN.user.toUpperCase()}` });
    await using server = await openMailServer({ login: LOGIN, refuse });
    expect((await failureOf(server)).message).to.equal('The mail server refused the notice: 553.');
  });

  it('is reported with the setting instead of the server’s text if the login is wrong', async () => {
    await using server = await openMailServer({ login: { ...LOGIN, password: 'another' } });
    expect((await failureOf(server)).message).to.equal(
      'The mail server refused the notice: 535 to the user and password of SMTP_URL.',
    );
    expect(server.mails).to.have.length(0);
  });

  it('is reported by the network’s code if no server listens', async () => {
    await using server = await openMailServer();
    await server.close();
    const error = await failureOf(server);
    expect(error.message).to.equal("The mail server can't be reached: ECONNREFUSED.");
    expect(error.data).to.deep.equal({ sink: 'email', errorCode: 'ECONNREFUSED' });
  });

  for (const at of ['greeting', 'mail', 'data'] as const) {
    it(`is an error if the connection breaks at the ${at}`, async () => {
      await using server = await openMailServer({ login: LOGIN, fault: { at, kind: 'reset' } });
      expect((await failureOf(server)).message).to.match(
        /^The mail server can't be reached: (ECONNECTION|ECONNRESET)\.$/,
      );
    });

    it(`is an error if the server stops answering at the ${at}`, async () => {
      await using server = await openMailServer({ login: LOGIN, fault: { at, kind: 'silence' } });
      const error = await failureOf(server, { phaseLimitMs: 200 });
      expect(error.message).to.equal('The mail server did not answer in time.');
      expect(error.data).to.deep.equal({ sink: 'email', errorCode: 'ETIMEDOUT' });
    });
  }
});

describe('R208 mail sink: aborting', () => {
  for (const at of ['greeting', 'mail', 'data'] as const) {
    it(`rejects with the signal's reason while the server is silent at the ${at}, and closes the connection`, async () => {
      await using server = await openMailServer({ fault: { at, kind: 'silence' } });
      const stop = new AbortController();
      const sink = makeMailSink({ smtpUrl: `smtp://${server.address}`, to: TO });
      const rejection = rejectionOf(sink.send(makeNotice(), stop.signal));
      await server.faultReached;
      stop.abort(REASON);
      expect(await rejection).to.equal(REASON);
      expect(getEventListeners(stop.signal, 'abort')).to.have.length(0);
      await eventually(async () => server.openConnections === 0, 'the end of the connection');
    }).timeout(PROMPT_MS);
  }

  it('sends nothing if the signal had already aborted', async () => {
    await using server = await openMailServer();
    const sink = makeMailSink({ smtpUrl: `smtp://${server.address}`, to: TO });
    expect(await rejectionOf(sink.send(makeNotice(), AbortSignal.abort(REASON)))).to.equal(REASON);
    expect(server.mails).to.have.length(0);
  });
});

describe('R208 mail sink: its settings', () => {
  it('are refused if the URL is not one of a mail server, without its value', () => {
    for (const smtpUrl of [
      'mail.example.test',
      'https://planted@mail.test',
      'smtp://planted:x@mail.test:99999',
      'smtp:',
    ]) {
      expect(() => makeMailSink({ smtpUrl, to: TO }))
        .to.throw(ConfigError, 'SMTP_URL must be a URL that begins with smtp:// or smtps://.')
        .and.to.satisfy((error: Error) => !everythingOf(error).includes('planted'));
    }
  });

  it('are refused if they contain no address', () => {
    for (const to of ['', 'ann', 'ann@example.test, bob', '@', 'ann@example.test bob@example.test']) {
      expect(() => makeMailSink({ smtpUrl: 'smtp://127.0.0.1', to }), to).to.throw(ConfigError, /^ALERT_EMAIL must be/);
    }
  });
});
