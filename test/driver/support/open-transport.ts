import { expect } from 'chai';
import { WebDriver } from 'selenium-webdriver';
import { Executor } from 'selenium-webdriver/http/index.js';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import { toError } from '../../../src/core/errors.ts';
import { HttpClient } from '../../../src/driver/http-client.ts';
import { CommandTransport } from '../../../src/driver/command-transport.ts';

export const COMMAND_TIMEOUT_MS = 20_000;
export const REASON = new Error('the session is dead');

interface Setup {
  readonly attachTo?: { readonly sessionId: string; readonly capabilities: object };
  /** The session's probe, which may halt. */
  readonly probe?: (halt: AbortController) => Promise<boolean | void> | boolean | void;
  /** True if a death halts, as in the supervisor. Default true. */
  readonly haltsOnDeath?: boolean;
}

/** Opens a transport with one session at a scripted server, and records its reports in order. */
export async function openTransport({ attachTo, probe, haltsOnDeath = true }: Setup = {}) {
  const server = await openScriptedWebDriver();
  const http = new HttpClient(server.url);
  const halt = new AbortController();
  const reports: string[] = [];
  const transport = new CommandTransport({
    http,
    signal: halt.signal,
    commandTimeoutMs: COMMAND_TIMEOUT_MS,
    ...(attachTo === undefined ? {} : { attachTo }),
    listener: {
      onAlive: () => void reports.push('alive'),
      onDeath: ({ cause, detectedBy, message }) => {
        reports.push(`dead: ${cause} (${detectedBy}) ${message}`);
        if (haltsOnDeath) halt.abort(REASON);
      },
      onQuit: () => void reports.push('quit'),
      onRefused: () => void reports.push('refused'),
      probe: async () => {
        reports.push('probe');
        return (await probe?.(halt)) ?? false;
      },
      freeBusyPage: async (handle) => void reports.push(`free ${handle} if it is busy`),
      freePage: (handle) => void reports.push(`free ${handle}`),
    },
  });
  const driver = WebDriver.createSession(new Executor(transport), new Map() as never);
  const session = await driver.getSession();
  reports.length = 0;
  const sessionPath = `/session/${session.getId()}`;
  return {
    server,
    transport,
    halt,
    reports,
    driver,
    /** Sends one command without selenium: method and route within the session, and its data. */
    send: (command: string, data?: object) => {
      const [method = '', route = ''] = command.split(' ');
      return transport.send({ method, path: sessionPath + route, data, headers: new Map() });
    },
    async [Symbol.asyncDispose]() {
      transport.end();
      http.close();
      await server.close();
    },
  };
}

export function rejectionOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => expect.fail('it resolved'),
    (thrown: unknown) => toError(thrown),
  );
}
