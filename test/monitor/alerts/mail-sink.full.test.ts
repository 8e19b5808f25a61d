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
/** Less than any limit of the sink: what takes longer was ended by one. */
const PROMPT_MS = 5_000;
const { signal: NEVER } = new AbortController();
const TO = 'oncall@example.test';
const LOGIN = { user: 'planted-user@example.test', password: 'pl@nted/password' };
const CREDENTIALS = `${encodeURIComponent(LOGIN.user)}:${encodeURIComponent(LOGIN.password)}@`;
/** As they are, as they stand in the URL, and as they go over the wire. */
const SECRETS = [LOGIN.user, LOGIN.password, `\0${LOGIN.user}\0${LOGIN.password}`]
  .flatMap((secret) => [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')])
  .concat('planted');

/** The certificate of the stand-in is trusted by nobody. */
const ANY_CERTIFICATE = '?tls.rejectUnauthorized=false';

/** What the sink rejects with, once it has told nothing of user and password. */
async function failureOf({ address }: MailServer, { query = '', phaseLimitMs = 10_000 } = {}): Promise<DeliveryError> {
  const sink = makeMailSink({ smtpUrl: `smtp://${CREDENTIALS}${address}/${query}`, to: TO, phaseLimitMs });
  const error = await rejectionOf(sink.send(makeNotice(), NEVER));
  const told = everythingOf(error);
  expect(SECRETS.filter((secret) => told.includes(secret))).to.deep.equal([]);
  expect(error).to.be.instanceOf(DeliveryError);
  return error as DeliveryError;
}

describe('R208 mail sink: what arrives', () => {
  it('is one mail with the whole notice as text, marked as sent by a machine', async () => {
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

  it('goes to all addresses, from the one that was asked for', async () => {
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

  it('has arrived when one of the addresses takes it: the others would not get it by another attempt, that one twice', async () => {
    const refuse = (address: string) => (address.startsWith('gone') ? { code: 550, text: 'No such user' } : undefined);
    await using server = await openMailServer({ refuse });
    const sink = makeMailSink({ smtpUrl: `smtp://${server.address}`, to: `gone@example.test, ${TO}` });
    await sink.send(makeNotice(), NEVER);
    expect(server.mails.map(({ to }) => to)).to.deep.equal([[TO]]);
  });

  it('has no header and no recipient by the grace of an owner, a rule or a host', async () => {
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

describe('R208 mail sink: security', () => {
  it('logs in with user and password of the URL, over STARTTLS where the server offers it', async () => {
    await using server = await openMailServer({ security: 'starttls', login: LOGIN });
    const smtpUrl = `smtp://${CREDENTIALS}${server.address}${ANY_CERTIFICATE}`;
    await makeMailSink({ smtpUrl, to: TO }).send(makeNotice(), NEVER);
    expect(server.mails).to.have.length(1);
    expect(server.mails[0]).to.include({ isSecure: true, user: LOGIN.user });
  });

  it('comes from who logs in, where that is an address: many servers take no other', async () => {
    const login = { user: 'monitor@example.org', password: 'secret' };
    await using server = await openMailServer({ login });
    const smtpUrl = `smtp://${encodeURIComponent(login.user)}:${login.password}@${server.address}`;
    await makeMailSink({ smtpUrl, to: TO }).send(makeNotice(), NEVER);
    expect(server.mails[0]).to.include({ from: login.user, user: login.user });
  });

  it('speaks TLS from the start to smtps://', async () => {
    await using server = await openMailServer({ security: 'smtps', login: LOGIN });
    const smtpUrl = `smtps://${CREDENTIALS}${server.address}${ANY_CERTIFICATE}`;
    await makeMailSink({ smtpUrl, to: TO }).send(makeNotice(), NEVER);
    expect(server.mails[0]).to.include({ isSecure: true, user: LOGIN.user });
  });

  it('gives neither the notice nor the password to a server whose certificate nobody trusts', async () => {
    await using server = await openMailServer({ security: 'starttls', login: LOGIN });
    const error = await failureOf(server);
    expect(error.message).to.match(/^The mail server can't be reached: [A-Z_]*CERT[A-Z_]*\.$/);
    expect(server.mails).to.have.length(0);
  });

  it('takes no other orders from the query of the URL, such as to log the conversation', async () => {
    await using server = await openMailServer({ login: LOGIN });
    const query = '?logger=true&debug=true&pool=true&jsonTransport=true';
    await makeMailSink({ smtpUrl: `smtp://${CREDENTIALS}${server.address}/${query}`, to: TO }).send(
      makeNotice(),
      NEVER,
    );
    expect(server.mails).to.have.length(1);
    // A pool would keep its connection.
    await eventually(async () => server.openConnections === 0, 'the end of the connection');
  }).timeout(PROMPT_MS);
});

describe('R208 mail sink: what does not arrive', () => {
  it('is an error with the status and the words of the server, to be tried again by whoever sent it', async () => {
    await using server = await openMailServer({ login: LOGIN, refuse: () => ({ code: 550, text: 'No such user' }) });
    const error = await failureOf(server);
    expect(error.message).to.equal('The mail server refused the notice: 550 No such user.');
    expect(error).to.include({ code: 'delivery-failed', consequence: 'retry' });
    expect(error.data).to.deep.equal({ sink: 'email', status: 550 });
  });

  it('is told without the words where they repeat the user', async () => {
    const refuse = () => ({ code: 553, text: `Not owned by ${LOGIN.user.toUpperCase()}` });
    await using server = await openMailServer({ login: LOGIN, refuse });
    expect((await failureOf(server)).message).to.equal('The mail server refused the notice: 553.');
  });

  it('names the setting where the login is wrong, and not the words of the server, which may repeat it', async () => {
    await using server = await openMailServer({ login: { ...LOGIN, password: 'another' } });
    expect((await failureOf(server)).message).to.equal(
      'The mail server refused the notice: 535 to the user and password of SMTP_URL.',
    );
    expect(server.mails).to.have.length(0);
  });

  it('is told by the code of the network where nobody listens', async () => {
    await using server = await openMailServer();
    await server.close();
    const error = await failureOf(server);
    expect(error.message).to.equal("The mail server can't be reached: ECONNREFUSED.");
    expect(error.data).to.deep.equal({ sink: 'email', errorCode: 'ECONNREFUSED' });
  });

  for (const at of ['greeting', 'mail', 'data'] as const) {
    it(`is an error where the connection breaks at the ${at}`, async () => {
      await using server = await openMailServer({ login: LOGIN, fault: { at, kind: 'reset' } });
      expect((await failureOf(server)).message).to.match(
        /^The mail server can't be reached: (ECONNECTION|ECONNRESET)\.$/,
      );
    });

    it(`is an error where the server falls silent at the ${at}`, async () => {
      await using server = await openMailServer({ login: LOGIN, fault: { at, kind: 'silence' } });
      const error = await failureOf(server, { phaseLimitMs: 200 });
      expect(error.message).to.equal('The mail server did not answer in time.');
      expect(error.data).to.deep.equal({ sink: 'email', errorCode: 'ETIMEDOUT' });
    });
  }
});

describe('R208 mail sink: aborting', () => {
  for (const at of ['greeting', 'mail', 'data'] as const) {
    it(`rejects with the signal's own reason while the server is silent at the ${at}, and gives up the connection`, async () => {
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

  it('sends nothing where the signal had aborted before', async () => {
    await using server = await openMailServer();
    const sink = makeMailSink({ smtpUrl: `smtp://${server.address}`, to: TO });
    expect(await rejectionOf(sink.send(makeNotice(), AbortSignal.abort(REASON)))).to.equal(REASON);
    expect(server.mails).to.have.length(0);
  });
});

describe('R208 mail sink: its settings', () => {
  it('are refused where the URL is none of a mail server, without its value', () => {
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

  it('are refused where nobody can be addressed', () => {
    for (const to of ['', 'ann', 'ann@example.test, bob', '@', 'ann@example.test bob@example.test']) {
      expect(() => makeMailSink({ smtpUrl: 'smtp://127.0.0.1', to }), to).to.throw(ConfigError, /^ALERT_EMAIL must be/);
    }
  });
});
