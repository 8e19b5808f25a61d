import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';

/** A received mail, parsed. */
export interface Mail {
  readonly from: string;
  /** The recipients of the envelope. */
  readonly to: readonly string[];
  /** The headers in their order, with names in lower case and encoded words decoded. */
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
  /** True if it came over TLS. */
  readonly isSecure: boolean;
  /** The user who logged in. */
  readonly user: string | undefined;
}

export interface MailServerOptions {
  /** `smtps`: TLS from the start; `starttls`: TLS is offered; `plain`, the default: no TLS. The certificate is not trusted. */
  readonly security?: 'plain' | 'starttls' | 'smtps';
  /** The login that is required to send. */
  readonly login?: { readonly user: string; readonly password: string };
  /** Returns the answer to a recipient; undefined if it is accepted. */
  readonly refuse?: (address: string) => { readonly code: number; readonly text: string } | undefined;
  /** The step at which the server stops answering or resets the connection. */
  readonly fault?: { readonly at: 'greeting' | 'mail' | 'data'; readonly kind: 'silence' | 'reset' };
}

/** A mail server on loopback that stores mails in an array. */
export interface MailServer extends AsyncDisposable {
  /** `127.0.0.1:<port>` */
  readonly address: string;
  readonly mails: readonly Mail[];
  readonly openConnections: number;
  /** Resolves when the fault happens. */
  readonly faultReached: Promise<void>;
  close(): Promise<void>;
}

export async function openMailServer({
  security = 'plain',
  login,
  refuse = () => undefined,
  fault,
}: MailServerOptions = {}): Promise<MailServer> {
  const mails: Mail[] = [];
  const reached = Promise.withResolvers<void>();
  const isFaulty = (at: string) => {
    if (fault?.at !== at) return false;
    reached.resolve();
    if (fault.kind === 'reset') cutConnections();
    return true;
  };
  const server = new SMTPServer({
    // This also prevents a warning about the built-in certificate.
    logger: false,
    secure: security === 'smtps',
    disabledCommands: [...(security === 'plain' ? ['STARTTLS'] : []), ...(login === undefined ? ['AUTH'] : [])],
    allowInsecureAuth: security === 'plain',
    authOptional: login === undefined,
    disableReverseLookup: true,
    onConnect: (_session, done) => void (isFaulty('greeting') || done()),
    onAuth({ username, password }, _session, done) {
      const isRight = username === login?.user && password === login?.password;
      // Real servers repeat the name, and some repeat more.
      if (isRight) done(null, { user: username });
      else done(new Error(`Authentication failed for ${username} with ${password}`));
    },
    onMailFrom: (_address, _session, done) => void (isFaulty('mail') || done()),
    onRcptTo({ address }, _session, done) {
      const refusal = refuse(address);
      done(refusal === undefined ? null : Object.assign(new Error(refusal.text), { responseCode: refusal.code }));
    },
    async onData(stream, { envelope, secure, user }, done) {
      const raw = await readText(stream);
      if (isFaulty('data')) return;
      mails.push({
        from: envelope.mailFrom === false ? '' : envelope.mailFrom.address,
        to: envelope.rcptTo.map(({ address }) => address),
        ...parseMail(raw),
        isSecure: secure,
        user: user as string | undefined,
      });
      done(null);
    },
  });
  const cutConnections = () => {
    for (const connection of server.connections) connection._socket.destroy();
  };
  server.on('error', () => undefined);
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const close = async () => {
    if (!listening.listening) return;
    const closed = new Promise<void>((resolve) => server.close(resolve));
    cutConnections();
    await closed;
  };
  return {
    address: `127.0.0.1:${(listening.address() as AddressInfo).port}`,
    mails,
    get openConnections() {
      return server.connections.size;
    },
    faultReached: reached.promise,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function parseMail(raw: string): Pick<Mail, 'headers' | 'text'> {
  const end = raw.indexOf('\r\n\r\n');
  const lines = raw
    .slice(0, end)
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n');
  const headers = new Map(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), decodeWords(line.slice(colon + 1).trim())];
    }),
  );
  const body = raw.slice(end + 4);
  const encoding = headers.get('content-transfer-encoding');
  const text =
    encoding === 'base64'
      ? Buffer.from(body, 'base64').toString()
      : encoding === 'quoted-printable'
        ? decodeQuoted(body.replaceAll(/=\r\n/g, ''))
        : body;
  return { headers, text: text.replaceAll('\r\n', '\n').trimEnd() };
}

/** Decodes RFC 2047 words: `=?UTF-8?Q?…?=`. The space between two of them is not a part of the text. */
function decodeWords(value: string): string {
  return value
    .replaceAll(/\?=\s+=\?/g, '?==?')
    .replaceAll(/=\?utf-8\?([bq])\?(.*?)\?=/gi, (_word, encoding: string, content: string) =>
      encoding.toLowerCase() === 'b'
        ? Buffer.from(content, 'base64').toString()
        : decodeQuoted(content.replaceAll('_', ' ')),
    );
}

function decodeQuoted(text: string): string {
  const bytes = text.replaceAll(/=([0-9A-F]{2})/gi, (_match, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString();
}
