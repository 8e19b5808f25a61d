/** Asks a WebDriver endpoint what it is, and a Selenium Grid how full it is. */
import { toError } from '../core/errors.ts';
import { redactUrl } from '../core/redact.ts';
import { DOWNLOADS_CAPABILITY } from './download-access.ts';
import type { HttpAnswer, HttpClient } from './http-client.ts';

/** The state of a Selenium Grid. */
export interface GridStatus {
  readonly nodes: number;
  readonly slots: number;
  /** The number of slots that have a session. */
  readonly sessions: number;
  /** The capabilities of the slots, without duplicates. */
  readonly offers: readonly Offer[];
}

export interface Offer {
  readonly browserName: string;
  readonly browserVersion: string | undefined;
  readonly platformName: string | undefined;
  /** True if the node sends the files that its browsers download (`--enable-managed-downloads true`). */
  readonly hasDownloads: boolean;
}

export type EndpointStatus =
  /** `grid` is undefined for an endpoint that is no Selenium Grid. */
  | { readonly kind: 'ready'; readonly grid: GridStatus | undefined }
  /** It may be ready later: it starts, or has no nodes yet. `why` ends without a full stop. */
  | { readonly kind: 'not-ready'; readonly why: string; readonly grid?: GridStatus | undefined }
  /**
   * GRID_URL must be corrected. `problem` is one or more sentences. Without `isCertain`, sessions may start there all the same: a service may
   * have no `/status`.
   */
  | { readonly kind: 'wrong'; readonly problem: string; readonly isCertain: boolean };

interface StatusValue {
  readonly ready?: boolean;
  readonly message?: string;
  readonly nodes?: readonly {
    readonly availability?: string;
    readonly slots?: readonly {
      readonly session: unknown;
      readonly stereotype?: Readonly<Record<string, unknown>>;
    }[];
  }[];
}

/** Failures of a connection that end by themselves, for example while a Grid starts. */
const PASSING = /ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|socket hang up/;
const TLS_FAILURE = /CERT|SSL|TLS|EPROTO|self[- ]signed|wrong version number/i;
const PASSING_STATUSES = new Set([502, 503, 504]);
const HTML = /^\s*(<!doctype html|<html)/i;

/** Asks the endpoint. Rejects only with the signal's reason. */
export async function readEndpointStatus(http: HttpClient, signal: AbortSignal): Promise<EndpointStatus> {
  try {
    return toStatus(await http.send({ method: 'GET', path: '/status', signal }), http.url);
  } catch (thrown) {
    signal.throwIfAborted();
    const { code = '', message } = toError(thrown) as NodeJS.ErrnoException;
    const why = code === '' ? message : code;
    if (PASSING.test(why)) return { kind: 'not-ready', why: `it does not answer (${why})` };
    return {
      kind: 'wrong',
      problem: describeConnectionFailure(`${code} ${message}`.trim(), http.url),
      isCertain: true,
    };
  }
}

/** Returns the number of starts that wait in the queue of a Grid; undefined if it can't be read. */
export async function readQueueLength(http: HttpClient, signal: AbortSignal): Promise<number | undefined> {
  try {
    const { body } = await http.send({ method: 'GET', path: '/se/grid/newsessionqueue/queue', signal });
    const { value } = JSON.parse(body) as { value?: unknown };
    return Array.isArray(value) ? value.length : undefined;
  } catch {
    return undefined;
  }
}

/** Describes a failure of TLS or of the look-up of a name. */
function describeConnectionFailure(failure: string, url: string): string {
  const shown = redactUrl(url);
  if (TLS_FAILURE.test(failure)) {
    const isPlain = /wrong version number|EPROTO/i.test(failure);
    const reason = isPlain ? 'the server does not speak TLS' : failure;
    const advice = isPlain
      ? 'Write http:// in GRID_URL (--grid).'
      : 'Give its certificate authority by NODE_EXTRA_CA_CERTS=<file>, or correct GRID_URL (--grid).';
    return `The TLS connection to ${shown} failed (${reason}). ${advice}`;
  }
  return `${shown} can't be reached (${failure}). Correct GRID_URL (--grid) or GRID_PROXY.`;
}

/** Returns the problem that an answer of the endpoint shows, whatever the request was; undefined if it is a possible answer of WebDriver. */
function findWrongAnswer({ status, body }: Pick<HttpAnswer, 'status' | 'body'>, url: string): string | undefined {
  const shown = redactUrl(url);
  const { username, protocol, host, pathname } = new URL(url);
  if (status === 401 || status === 407) {
    return username === ''
      ? `${shown} asks for a user and a password (HTTP ${status}). Put them into GRID_URL (--grid): ${protocol}//user:password@${host}${pathname}`
      : `${shown} does not accept the user and the password of GRID_URL (HTTP ${status}). Correct them; characters such as @ and : are written as %40 and %3A.`;
  }
  if (PASSING_STATUSES.has(status)) return undefined;
  if (HTML.test(body)) {
    const title = /<title>([^<]*)<\/title>/i.exec(body)?.[1]?.trim() ?? '';
    const page = title === '' ? 'a web page' : `the web page “${title}”`;
    const isUi = /selenium grid/i.test(title);
    const advice = isUi
      ? `GRID_URL (--grid) is the address without /ui: ${protocol}//${host}${pathname.replace(/\/ui\/?$/, '')}`
      : 'It may be a web site or the login page of a proxy. Correct GRID_URL (--grid), or sign in at the proxy.';
    return `${shown} is no WebDriver endpoint: it answers with ${page} (HTTP ${status}). ${advice}`;
  }
  if (status === 404) {
    const path = pathname === '/' ? 'it has none now' : `it is ${pathname} now`;
    return `${shown} has no WebDriver endpoint at this path (HTTP 404). Correct the path of GRID_URL (--grid); ${path}. A Grid with --sub-path needs that path; others need none, also not /ui.`;
  }
  return undefined;
}

function toStatus(answer: HttpAnswer, url: string): EndpointStatus {
  const { status, body } = answer;
  const problem = findWrongAnswer(answer, url);
  if (problem !== undefined) {
    const isCertain = status === 401 || status === 407 || (status < 400 && HTML.test(body));
    return { kind: 'wrong', problem, isCertain };
  }
  if (PASSING_STATUSES.has(status)) return { kind: 'not-ready', why: `it answers with HTTP ${status}` };
  const value = parseValue(body);
  if (value === undefined) {
    return {
      kind: 'wrong',
      problem: `${redactUrl(url)} is no WebDriver endpoint: its answer to /status (HTTP ${status}) is not one of WebDriver. Correct GRID_URL (--grid).`,
      isCertain: false,
    };
  }
  const grid = value.nodes === undefined ? undefined : toGrid(value.nodes);
  // A Grid is not ready while all of its slots are taken, and its queue takes requests then.
  if (value.ready === false && (grid === undefined || grid.slots === 0))
    return {
      kind: 'not-ready',
      why: grid === undefined ? (value.message ?? 'it is not ready') : 'it has no nodes',
      grid,
    };
  return { kind: 'ready', grid };
}

function toGrid(nodes: NonNullable<StatusValue['nodes']>): GridStatus {
  const up = nodes.filter(({ availability = 'UP' }) => availability === 'UP');
  const slots = up.flatMap((node) => node.slots ?? []);
  const offers = new Map<string, Offer>();
  for (const { stereotype = {} } of slots) {
    const text = (name: string) => (typeof stereotype[name] === 'string' ? stereotype[name] : undefined);
    const offer = {
      browserName: text('browserName') ?? '',
      browserVersion: text('browserVersion'),
      platformName: text('platformName'),
      hasDownloads: stereotype[DOWNLOADS_CAPABILITY] === true,
    };
    offers.set(JSON.stringify(offer), offer);
  }
  const sessions = slots.filter(({ session }) => session !== null && session !== undefined).length;
  return { nodes: up.length, slots: slots.length, sessions, offers: [...offers.values()] };
}

function parseValue(body: string): StatusValue | undefined {
  try {
    const { value } = JSON.parse(body) as { value?: StatusValue | null };
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
