/** Why no session came to be, in words that say what to do. Rows from chromedriver's and Grid's own messages (measured or their sources). */
import { toError } from '../core/errors.ts';
import { redactText, redactUrl } from '../core/redact.ts';
import { CommandTimeoutError, SessionStartError } from './death.ts';
import { describeSmallSharedMemory, findStartReason } from './start-reasons.ts';
import { firstLine } from './verdicts.ts';

interface StartTarget {
  readonly endpointUrl?: string;
  /** On the way to the endpoint. */
  readonly proxy?: string | undefined;
  readonly driverPath?: string;
  readonly browserPath?: string;
  /** The output of the driver and its browser. */
  readonly words?: string;
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
    target.endpointUrl === undefined && [BROKEN, ENDED_AT_ONCE, LOST].some((pattern) => pattern.test(text));
  return new SessionStartError(explain(text, target), { cause: error, isInterrupted });
}

const BROKEN = /ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EPIPE|ERR_PROXY_TUNNEL/;
const ENDED_AT_ONCE = /DevToolsActivePort file doesn't exist|Chrome failed to start|Chrome instance exited/i;
/** The browser, or its first tab, went while the session began (provoked by shared memory of 1 MB). */
const LOST = /browser has closed the connection|disconnected:|Unable to receive message from renderer|tab crashed/;

const DRIVER_LISTENS = /started successfully on port \d+\.?/;
/** Also of its driver, and the line that says where its DevTools are. */
const CHROMIUM_LINE = /^\[[\d:./]+|^DevTools listening/;
const LONGEST_QUOTE = 300;

/** The way out where the answer shows that `GRID_URL` leads to something else. */
const ADVICE: readonly { readonly pattern: RegExp; readonly words: string }[] = [
  { pattern: /<!doctype|<html/i, words: '(This is a web page, and no WebDriver endpoint. Correct GRID_URL, --grid.)' },
  { pattern: /unknown command: \S*session/i, words: '(Is the path of GRID_URL right? chromedriver has none.)' },
];

/** A reason on this machine that is known. */
function findReason(text: string, { endpointUrl, browserPath, words = '' }: StartTarget): string | undefined {
  if (endpointUrl !== undefined) return undefined;
  // The driver runs: it has answered.
  const reason = findStartReason(`${text}\n${words}`, browserPath === undefined ? [] : [browserPath]);
  return reason === undefined ? undefined : `The browser could not be started: ${reason}.`;
}

function explain(text: string, target: StartTarget): string {
  const { endpointUrl, proxy, driverPath, browserPath, words: printed = '' } = target;
  const where = endpointUrl === undefined ? `The driver ${driverPath}` : `The endpoint ${redactUrl(endpointUrl)}`;
  // chromedriver may give the reason in the second line alone.
  const words = firstLine(redactText(text).replace(/^session not created\n/, 'session not created '));
  const versions = /only supports Chrome version (\d+)[\s\S]*?Current browser version is ([\d.]+)/.exec(text);
  if (versions !== null) {
    return (
      `${where} is for Chrome ${versions[1]}, but the browser is ${versions[2]}. ` +
      'Install a chromedriver of the same major version, or set CHROMEDRIVER and CHROME_BINARY to a pair that fits.'
    );
  }
  const [broken] = BROKEN.exec(text) ?? [];
  if (broken !== undefined && endpointUrl !== undefined) {
    const way = proxy === undefined ? '' : ` through the proxy ${redactUrl(proxy)}`;
    const settings = proxy === undefined ? 'GRID_URL (--grid)' : 'GRID_URL (--grid) or GRID_PROXY';
    return `No WebDriver endpoint answers at ${redactUrl(endpointUrl)}${way} (${broken}). Start it, or correct ${settings}.`;
  }
  if (broken !== undefined) {
    return `${where} went away while it started the browser (${broken}). See \`npm run doctor\`.`;
  }
  if (/no chrome binary|cannot find Chrome binary/i.test(text)) {
    return endpointUrl === undefined
      ? `${where} found no browser at ${browserPath}. Set CHROME_BINARY to the browser's path.`
      : `${where} found no browser on its machine: ${words}`;
  }
  if (ENDED_AT_ONCE.test(text) || (endpointUrl === undefined && LOST.test(text))) {
    const program = `The browser${browserPath === undefined ? '' : ` ${browserPath}`}`;
    const way =
      (endpointUrl === undefined ? describeSmallSharedMemory() : undefined) ??
      'Start it by hand with --headless=new to see why.';
    return `${program} ended as soon as it was started: ${words}${lastErrors(printed)} ${way}`;
  }
  const advice = endpointUrl === undefined ? undefined : ADVICE.find(({ pattern }) => pattern.test(text))?.words;
  const reason = words === '' ? '.' : `: ${words}`;
  return `${where} could not start a browser session${reason}${advice === undefined ? '' : ` ${advice}`}`;
}

/** The last lines that Chromium printed as errors, without those that say nothing about it; of another program, its last line. */
function lastErrors(printed: string): string {
  const errors = [...printed.matchAll(/:(?:ERROR|FATAL):(\S+)\] (.+)/g)];
  const telling = errors.filter(([, file = '']) => !/dbus|crashpad/.test(file)).slice(-2);
  const lines = printed.split(DRIVER_LISTENS).at(-1)?.trim().split('\n') ?? [];
  const plain = lines.some((line) => CHROMIUM_LINE.test(line)) ? [] : lines.slice(-1);
  const said = redactText((telling.length > 0 ? telling.map(([, , error]) => error) : plain).join('; ')).slice(
    0,
    LONGEST_QUOTE,
  );
  return said === '' ? '' : ` It said: ${said.replace(/\.$/, '')}.`;
}
