/** Why no session came to be, in words that say what to do. Rows from chromedriver's and Grid's own messages (measured or their sources). */
import { readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { toError } from '../core/errors.ts';
import { redactText, redactUrl } from '../core/redact.ts';
import { CommandTimeoutError, SessionStartError } from './death.ts';
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
  if (error instanceof CommandTimeoutError) {
    const { deadlineMs } = error.data as { deadlineMs: number };
    const what = target.endpointUrl === undefined ? 'The browser' : `The endpoint ${redactUrl(target.endpointUrl)}`;
    const advice = 'Look at the load and the memory of its machine, and try again.';
    return new SessionStartError(`${what} had no session ready within ${deadlineMs / 1_000} s. ${advice}`, {
      cause: error,
    });
  }
  const { code = '' } = error as NodeJS.ErrnoException;
  const text = `${code} ${error.message}`.trim();
  const reason = findReason(text, target);
  if (reason !== undefined) return new SessionStartError(reason, { cause: error });
  const isInterrupted = target.endpointUrl === undefined && (BROKEN.test(text) || ENDED_AT_ONCE.test(text));
  return new SessionStartError(explain(text, target), { cause: error, isInterrupted });
}

const BROKEN = /ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EPIPE|ERR_PROXY_TUNNEL/;
const ENDED_AT_ONCE = /DevToolsActivePort file doesn't exist|Chrome failed to start|Chrome instance exited/i;

/** The way out where the answer shows that `GRID_URL` leads to something else. */
const ADVICE: readonly { readonly pattern: RegExp; readonly words: string }[] = [
  { pattern: /<!doctype|<html/i, words: '(This is a web page, and no WebDriver endpoint. Correct GRID_URL, --grid.)' },
  { pattern: /unknown command: \S*session/i, words: '(Is the path of GRID_URL right? chromedriver has none.)' },
];

interface Reason {
  /** Text of Chromium, its driver, or the operating system. Provoked on Chromium 156, except shared memory, libraries and architecture. */
  readonly words: RegExp;
  /** A sentence without its full stop: the reason, and the way out. */
  readonly explanation: (match: RegExpExecArray) => string;
}

/** First match wins. */
const REASONS: readonly Reason[] = [
  {
    words: /No usable sandbox/,
    explanation: () =>
      'Chromium found no usable sandbox: this user may not create user namespaces, as in most containers. Allow them, or set ' +
      'BROWSER_ARGUMENTS=--no-sandbox if every page that is visited is trusted',
  },
  {
    words: /Missing X server or \$DISPLAY|Cannot open (X )?display/i,
    explanation: () =>
      'there is no display for a window of the browser. Leave out --headed (HEADLESS=false), or set DISPLAY, or run under xvfb-run',
  },
  {
    words: /Failed to create (\S+)\/SingletonLock|user data directory is already in use/,
    explanation: ([, folder]) => describeUsedProfile(folder),
  },
  {
    words: /Too many open files|EMFILE/,
    explanation: () =>
      'the limit of open files is too low. Raise it with `ulimit -n 4096`; a browser needs several hundred',
  },
  {
    words: /FILE_ERROR_NO_SPACE|No space left on device|ENOSPC/,
    explanation: () => `the temporary folder ${tmpdir()} is full. Make room there, or set TMPDIR to another folder`,
  },
  {
    words: /\/dev\/shm|shared memory (file|region)/i,
    explanation: () =>
      'the shared memory is too small. Set BROWSER_ARGUMENTS=--disable-dev-shm-usage, or give the container more (--shm-size=1g)',
  },
  {
    words: /error while loading shared libraries: ([^\s:]+)/,
    explanation: ([, library]) => `the library ${library} is missing. Install the browser with its dependencies`,
  },
  {
    words: /ENOENT[^\n]*mkdir '([^']+)\/[^'/]+'/,
    explanation: ([, folder]) => `the temporary folder ${folder} does not exist. Create it, or correct TMPDIR`,
  },
  {
    words: /(EACCES|EROFS)[^\n]*mkdir '([^']+)\/[^'/]+'/,
    explanation: ([, , folder]) => `the temporary folder ${folder} can't be written to. Set TMPDIR to another folder`,
  },
  {
    words: /Exec format error|ENOEXEC/,
    explanation: () => 'the program is for another kind of machine. Install the right one',
  },
];

/** The holder of a profile is in the target of the link that Chromium makes there, as `host-pid`. */
function describeUsedProfile(folder: string | undefined): string {
  const what = `the profile ${folder ?? 'folder'} is in use`;
  const way = 'One session at a time can use a profile: end the other one, or set another USER_DATA_DIR';
  try {
    const holder = folder === undefined ? undefined : readlinkSync(path.join(folder, 'SingletonLock'));
    const [, host, pid] = /^(.*)-(\d+)$/.exec(holder ?? '') ?? [];
    return `${what}${pid === undefined ? '' : ` by process ${pid} on ${host}`}. ${way}`;
  } catch {
    return `${what}. ${way}`;
  }
}

/** A reason on this machine that is known. */
function findReason(text: string, { endpointUrl, words: printed = '' }: StartTarget): string | undefined {
  for (const { words, explanation } of endpointUrl === undefined ? REASONS : []) {
    const match = words.exec(text) ?? words.exec(printed);
    if (match !== null) return `The browser could not be started: ${explanation(match)}.`;
  }
  return undefined;
}

function explain(text: string, target: StartTarget): string {
  const { endpointUrl, proxy, driverPath, browserPath, words: printed = '' } = target;
  const where = endpointUrl === undefined ? `The driver ${driverPath}` : `The endpoint ${redactUrl(endpointUrl)}`;
  const words = firstLine(redactText(text));
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
  if (ENDED_AT_ONCE.test(text)) {
    return (
      `The browser${browserPath === undefined ? '' : ` ${browserPath}`} ended as soon as it was started: ${words}${lastErrors(printed)} ` +
      'Start it by hand with --headless=new to see why; in a container, check that /dev/shm is large enough.'
    );
  }
  const advice = endpointUrl === undefined ? undefined : ADVICE.find(({ pattern }) => pattern.test(text))?.words;
  const reason = words === '' ? '.' : `: ${words}`;
  return `${where} could not start a browser session${reason}${advice === undefined ? '' : ` ${advice}`}`;
}

/** The last lines that Chromium printed as errors, without those about D-Bus, which say nothing. */
function lastErrors(printed: string): string {
  const errors = [...printed.matchAll(/:(?:ERROR|FATAL):\S+\] (.+)/g)].map(([, error]) => error ?? '');
  const telling = errors.filter((error) => !/\bbus\b/.test(error)).slice(-2);
  return telling.length === 0 ? '' : ` It said: ${redactText(telling.join('; '))}.`;
}
