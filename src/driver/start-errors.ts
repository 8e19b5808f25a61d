/**
 * Explains why no session could be started, and what to do about it. The rows come from the messages of chromedriver and Grid (measured, or
 * from their sources).
 */
import { toError } from '../core/errors.ts';
import { redactText, redactUrl } from '../core/redact.ts';
import { CommandTimeoutError, SessionStartError } from './death.ts';
import { describeSmallSharedMemory, findStartReason } from './start-reasons.ts';
import { firstLine } from './verdicts.ts';

interface StartTarget {
  readonly endpointUrl?: string;
  /** The proxy on the route to the endpoint. */
  readonly proxy?: string | undefined;
  readonly driverPath?: string;
  readonly browserPath?: string;
  /** The output of the driver and its browser. */
  readonly output?: string;
}

export function toStartError(thrown: unknown, target: StartTarget): SessionStartError {
  const error = toError(thrown);
  if (error instanceof SessionStartError) return error;
  const { code = '' } = error as NodeJS.ErrnoException;
  const text = `${code} ${error.message}`.trim();
  const reason = findReason(text, target);
  if (reason !== undefined) return new SessionStartError(reason, { cause: error });
  if (error instanceof CommandTimeoutError) {
    const { deadlineMs } = error.data as { deadlineMs: number };
    const what = target.endpointUrl === undefined ? 'The browser' : `The endpoint ${redactUrl(target.endpointUrl)}`;
    const advice = 'Look at the load and the memory of its machine, and try again.';
    return new SessionStartError(`${what} had no session ready within ${deadlineMs / 1_000} s. ${advice}`, {
      cause: error,
    });
  }
  const isInterrupted =
    target.endpointUrl === undefined &&
    [BROKEN_CONNECTION, ENDED_AT_ONCE, LOST_DURING_START].some((pattern) => pattern.test(text));
  const isEndpointAway = target.endpointUrl !== undefined && BROKEN_CONNECTION.test(text);
  return new SessionStartError(explain(text, target), { cause: error, isInterrupted, isEndpointAway });
}

const BROKEN_CONNECTION =
  /ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EPIPE|ERR_PROXY_TUNNEL/;
const ENDED_AT_ONCE = /DevToolsActivePort file doesn't exist|Chrome failed to start|Chrome instance exited/i;
/** The browser, or its first tab, ended while the session began (provoked by shared memory of 1 MB). */
const LOST_DURING_START =
  /browser has closed the connection|disconnected:|Unable to receive message from renderer|tab crashed/;

const LISTENING_LINE = /started successfully on port \d+\.?/;
/** A line of Chromium's or its driver's log, or the line with the address of DevTools. */
const CHROMIUM_LINE = /^\[[\d:./]+|^DevTools listening/;
const MAX_QUOTE_LENGTH = 300;

/** Advice for an answer that shows that `GRID_URL` is wrong. */
const ADVICE: readonly { readonly pattern: RegExp; readonly advice: string }[] = [
  { pattern: /<!doctype|<html/i, advice: '(This is a web page, not a WebDriver endpoint. Correct GRID_URL, --grid.)' },
  {
    pattern: /unknown command: \S*session/i,
    advice: '(Check the path of GRID_URL: for chromedriver it must be empty.)',
  },
];

/** Returns a known reason on this machine. */
function findReason(text: string, { endpointUrl, browserPath, output = '' }: StartTarget): string | undefined {
  if (endpointUrl !== undefined) return undefined;
  // The driver runs, because it has answered. So only the browser's file is checked.
  const reason = findStartReason(`${text}\n${output}`, browserPath === undefined ? [] : [browserPath]);
  return reason === undefined ? undefined : `The browser could not be started: ${reason}.`;
}

function explain(text: string, target: StartTarget): string {
  const { endpointUrl, proxy, driverPath, browserPath, output: printed = '' } = target;
  const where = endpointUrl === undefined ? `The driver ${driverPath}` : `The endpoint ${redactUrl(endpointUrl)}`;
  // chromedriver may give the reason only in the second line.
  const message = firstLine(redactText(text).replace(/^session not created\n/, 'session not created '));
  const versions = /only supports Chrome version (\d+)[\s\S]*?Current browser version is ([\d.]+)/.exec(text);
  if (versions !== null) {
    return (
      `${where} is for Chrome ${versions[1]}, but the browser is ${versions[2]}. ` +
      'Install a chromedriver of the same major version, or set CHROMEDRIVER and CHROME_BINARY to a pair that fits.'
    );
  }
  const [broken] = BROKEN_CONNECTION.exec(text) ?? [];
  if (broken !== undefined && endpointUrl !== undefined) {
    const route = proxy === undefined ? '' : ` through the proxy ${redactUrl(proxy)}`;
    const settings = proxy === undefined ? 'GRID_URL (--grid)' : 'GRID_URL (--grid) or GRID_PROXY';
    return `No WebDriver endpoint answers at ${redactUrl(endpointUrl)}${route} (${broken}). Start it, or correct ${settings}.`;
  }
  if (broken !== undefined) {
    return `${where} ended while it started the browser (${broken}). See \`npm run doctor\`.`;
  }
  if (/no chrome binary|cannot find Chrome binary/i.test(text)) {
    return endpointUrl === undefined
      ? `${where} found no browser at ${browserPath}. Set CHROME_BINARY to the browser's path.`
      : `${where} found no browser on its machine: ${message}`;
  }
  if (ENDED_AT_ONCE.test(text) || (endpointUrl === undefined && LOST_DURING_START.test(text))) {
    const program = `The browser${browserPath === undefined ? '' : ` ${browserPath}`}`;
    const hint =
      (endpointUrl === undefined ? describeSmallSharedMemory() : undefined) ??
      'Start it manually with --headless=new to see why.';
    return `${program} ended as soon as it was started: ${message}${lastErrors(printed)} ${hint}`;
  }
  const advice = endpointUrl === undefined ? undefined : ADVICE.find(({ pattern }) => pattern.test(text))?.advice;
  const reason = message === '' ? '.' : `: ${message}`;
  return `${where} could not start a browser session${reason}${advice === undefined ? '' : ` ${advice}`}`;
}

/** Returns the last lines that Chromium printed as errors, without unrelated ones; for another program, its last line. */
function lastErrors(printed: string): string {
  const errors = [...printed.matchAll(/:(?:ERROR|FATAL):(\S+)\] (.+)/g)];
  const relevant = errors.filter(([, file = '']) => !/dbus|crashpad/.test(file)).slice(-2);
  const lines = printed.split(LISTENING_LINE).at(-1)?.trim().split('\n') ?? [];
  const plain = lines.some((line) => CHROMIUM_LINE.test(line)) ? [] : lines.slice(-1);
  const quoted = redactText((relevant.length > 0 ? relevant.map(([, , error]) => error) : plain).join('; ')).slice(
    0,
    MAX_QUOTE_LENGTH,
  );
  return quoted === '' ? '' : ` Its output: ${quoted.replace(/\.$/, '')}.`;
}
