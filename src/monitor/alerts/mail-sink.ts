/** Sends notices by e-mail. The only module that imports nodemailer. */
import os from 'node:os';

import { createTransport, type NodemailerError } from 'nodemailer';
import parseAddresses from 'nodemailer/lib/addressparser';

import { anySignal } from '../../core/abort.ts';
import { ConfigError, toError } from '../../core/errors.ts';
import { DeliveryError, quoteAnswer } from './delivery-error.ts';
import { decodePart, validateEndpoint } from './endpoint.ts';
import { toSubject, toText } from './message.ts';
import type { Sink } from './notice.ts';

/** The limit for each phase of a delivery: connection, greeting, answer. */
const PHASE_LIMIT_MS = 10_000;
const MAIL_LIMIT_MS = 25_000;
/** The time for the server to close its side before the connection is cut. */
const CLOSE_LIMIT_MS = 1_000;
/** Allowed options in the URL's query, besides `tls.…`. Others could turn on a pool, a log with the password or another transport. */
const QUERY_OPTIONS: ReadonlySet<string> = new Set(['requireTLS', 'ignoreTLS', 'name', 'authMethod', 'localAddress']);

export interface MailSinkOptions {
  /** `smtp://` (STARTTLS if the server offers it) or `smtps://` (TLS from the start), with user and password if required. */
  readonly smtpUrl: string;
  /** One address or several, separated by commas. */
  readonly to: string;
  /** Default: the user in `smtpUrl` if it is an address, otherwise `webdriver-supervisor@<name of this machine>`. */
  readonly from?: string;
  /** The limit for each phase of a delivery. Default: 10 000 ms. */
  readonly phaseLimitMs?: number;
}

/**
 * Makes a sink that mails each notice once, as text, over its own connection. A notice counts as delivered when the server accepted it for
 * one of the addresses: another attempt would deliver it to that address twice. Throws `ConfigError` if the URL or the addresses can't be
 * used.
 */
export function makeMailSink({ smtpUrl, to, from, phaseLimitMs = PHASE_LIMIT_MS }: MailSinkOptions): Sink {
  const endpoint = validateEndpoint(smtpUrl, { setting: 'SMTP_URL', protocols: ['smtp:', 'smtps:'] });
  validateAddresses(to);
  for (const name of new Set(endpoint.searchParams.keys())) {
    if (!QUERY_OPTIONS.has(name) && !name.startsWith('tls.')) endpoint.searchParams.delete(name);
  }
  const credentials = [endpoint.username, endpoint.password]
    .flatMap((part) => [part, decodePart(part)])
    .filter((part) => part !== '');
  const transport = createTransport({
    url: endpoint.href,
    dnsTimeout: phaseLimitMs,
    connectionTimeout: phaseLimitMs,
    greetingTimeout: phaseLimitMs,
    socketTimeout: phaseLimitMs,
    socketCloseTimeout: CLOSE_LIMIT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    name: 'email',
    async send(notice, signal) {
      const limit = AbortSignal.timeout(MAIL_LIMIT_MS);
      try {
        await transport.sendMail({
          from: from ?? toSender(endpoint),
          to,
          subject: toSubject(notice),
          text: toText(notice),
          // Prevents automatic replies (RFC 3834).
          headers: { 'Auto-Submitted': 'auto-generated' },
          signal: anySignal(signal, limit),
        });
      } catch (thrown) {
        if (signal.aborted) throw toError(signal.reason);
        throw limit.aborted ? DeliveryError.late('email') : toDeliveryError(toError(thrown), credentials);
      }
    },
  };
}

function validateAddresses(to: string): void {
  const addresses = parseAddresses(to, { flatten: true });
  // If the comma between two addresses is missing, the parser returns one of them as a name.
  const isUsable = addresses.every(({ name, address }) => /^[^\s@]+@[^\s@]+$/.test(address) && !name.includes('@'));
  if (addresses.length > 0 && isUsable) return;
  throw new ConfigError('ALERT_EMAIL must be an e-mail address, or several separated by commas.');
}

function toDeliveryError(error: NodemailerError, credentials: readonly string[]): DeliveryError {
  const { responseCode: status, response = '', code } = error;
  if (status === undefined) return DeliveryError.unreachable('email', error);
  // The answer to a login may repeat the credentials, also encoded.
  if (code === 'EAUTH')
    return DeliveryError.refused('email', { status, quote: 'to the user and password of SMTP_URL' });
  return DeliveryError.refused('email', { status, quote: quoteAnswer(response.replace(/^\d+[ -]/, ''), credentials) });
}

/** Returns the user who logs in as the sender, because servers with a login often accept no other. */
function toSender({ username }: URL): string {
  const user = decodePart(username);
  return user.includes('@') ? user : `webdriver-supervisor@${os.hostname()}`;
}
