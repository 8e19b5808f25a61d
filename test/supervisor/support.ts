import { SessionSupervisor, type SupervisorOptions } from '../../src/supervisor/supervisor.ts';
import { openScriptedWebDriver, type ScriptedWebDriver, type WebDriverScript } from 'webdriver-supervisor/testing';

/** A heartbeat interval so long that no probe disturbs a test that counts requests. */
const LONG_MS = 3_600_000;

export interface Scripted extends AsyncDisposable {
  readonly server: ScriptedWebDriver;
  readonly supervisor: SessionSupervisor;
}

/** Starts a supervisor on a scripted WebDriver server. Only the browser is simulated. Disposing ends both. */
export async function startScripted(options: SupervisorOptions = {}, script: WebDriverScript = {}): Promise<Scripted> {
  const server = await openScriptedWebDriver(script);
  try {
    const supervisor = await SessionSupervisor.start({
      gridUrl: server.url,
      heartbeatIntervalMs: LONG_MS,
      ...options,
    });
    return {
      server,
      supervisor,
      async [Symbol.asyncDispose]() {
        await supervisor.stop();
        await server.close();
      },
    };
  } catch (thrown) {
    await server.close();
    throw thrown;
  }
}

/** Declares a death as the higher layers do. */
export function kill(supervisor: SessionSupervisor, message = 'killed by the test'): void {
  supervisor.declareDeath({ cause: 'lease-lost', detectedBy: 'registry', message });
}

/** Returns the error with which a promise rejects. */
export async function rejectionOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (thrown) {
    return thrown as Error;
  }
  throw new Error('It was expected to reject, and it resolved.');
}

/** Resolves at the first event of this name. */
export function nextEvent<Name extends Parameters<SessionSupervisor['on']>[0]>(
  supervisor: SessionSupervisor,
  name: Name,
): Promise<void> {
  return new Promise((resolve) => {
    const off = supervisor.on(name, () => {
      off();
      resolve();
    });
  });
}

/** Waits until all callbacks of settled promises and of finished I/O have run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
