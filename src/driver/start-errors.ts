/** Why no session came to be, in words that say what to do. Rows from chromedriver's and Grid's own messages (measured or their sources). */
import { SupervisorError, toError } from '../core/errors.ts';
import { redactText, redactUrl } from '../core/redact.ts';
import { SessionStartError } from './death.ts';
import { firstLine } from './verdicts.ts';

interface StartTarget {
  readonly endpointUrl?: string;
  readonly driverPath?: string;
  readonly browserPath?: string;
}

export function toStartError(thrown: unknown, { endpointUrl, driverPath, browserPath }: StartTarget): Error {
  const error = toError(thrown);
  if (error instanceof SupervisorError) return error;
  const text = error.message;
  const versions = /only supports Chrome version (\d+)[\s\S]*?Current browser version is ([\d.]+)/.exec(text);
  const refused = /ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT/.exec(
    `${(error as NodeJS.ErrnoException).code ?? ''} ${text}`,
  );
  let message: string;
  if (versions !== null) {
    message =
      `The driver (${driverPath ?? endpointUrl}) is for Chrome ${versions[1]}, but the browser is ${versions[2]}. ` +
      'Install a chromedriver of the same major version, or set CHROMEDRIVER and CHROME_BINARY to a pair that fits.';
  } else if (refused !== null && endpointUrl !== undefined) {
    message = `No WebDriver endpoint answers at ${redactUrl(endpointUrl)} (${refused[0]}). Start it, or correct GRID_URL (--grid).`;
  } else if (/no chrome binary|cannot find Chrome binary/i.test(text)) {
    message = `The driver found no browser at ${browserPath}. Set CHROME_BINARY to the browser's path.`;
  } else if (/DevToolsActivePort file doesn't exist|Chrome failed to start|Chrome instance exited/i.test(text)) {
    message =
      `The browser ${browserPath ?? ''} ended as soon as it was started: ${firstLine(text)} ` +
      'Start it by hand with --headless=new to see why; in a container, check that /dev/shm is large enough.';
  } else {
    message = `No browser session could be started: ${firstLine(redactText(text))}`;
  }
  return new SessionStartError(message, { cause: error });
}
