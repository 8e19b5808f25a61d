/** Why no session came to be, in words that say what to do. Rows from chromedriver's and Grid's own messages (measured or their sources). */
import { toError } from '../core/errors.ts';
import { redactText, redactUrl } from '../core/redact.ts';
import { SessionStartError } from './death.ts';
import { firstLine } from './verdicts.ts';

interface StartTarget {
  readonly endpointUrl?: string;
  readonly driverPath?: string;
  readonly browserPath?: string;
}

export function toStartError(thrown: unknown, target: StartTarget): SessionStartError {
  const error = toError(thrown);
  if (error instanceof SessionStartError) return error;
  const { code = '' } = error as NodeJS.ErrnoException;
  return new SessionStartError(explain(`${code} ${error.message}`.trim(), target), { cause: error });
}

function explain(text: string, { endpointUrl, driverPath, browserPath }: StartTarget): string {
  const where = endpointUrl === undefined ? `The driver ${driverPath}` : `The endpoint ${redactUrl(endpointUrl)}`;
  const words = firstLine(redactText(text));
  const versions = /only supports Chrome version (\d+)[\s\S]*?Current browser version is ([\d.]+)/.exec(text);
  if (versions !== null) {
    return (
      `${where} is for Chrome ${versions[1]}, but the browser is ${versions[2]}. ` +
      'Install a chromedriver of the same major version, or set CHROMEDRIVER and CHROME_BINARY to a pair that fits.'
    );
  }
  const [broken] =
    /ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EPIPE/.exec(text) ?? [];
  if (broken !== undefined && endpointUrl !== undefined) {
    return `No WebDriver endpoint answers at ${redactUrl(endpointUrl)} (${broken}). Start it, or correct GRID_URL (--grid).`;
  }
  if (broken !== undefined) {
    return `${where} went away while it started the browser (${broken}). See \`npm run doctor\`.`;
  }
  if (/no chrome binary|cannot find Chrome binary/i.test(text)) {
    return endpointUrl === undefined
      ? `${where} found no browser at ${browserPath}. Set CHROME_BINARY to the browser's path.`
      : `${where} found no browser on its machine: ${words}`;
  }
  if (/DevToolsActivePort file doesn't exist|Chrome failed to start|Chrome instance exited/i.test(text)) {
    return (
      `The browser${browserPath === undefined ? '' : ` ${browserPath}`} ended as soon as it was started: ${words} ` +
      'Start it by hand with --headless=new to see why; in a container, check that /dev/shm is large enough.'
    );
  }
  return `${where} could not start a browser session${words === '' ? '.' : `: ${words}`}`;
}
