import { TestPostgres } from './postgres.ts';

let server: Promise<TestPostgres> | undefined;

/** Returns the server that all suites of this test process share; the first call starts it. A test must not stop it. */
export function sharedPostgres(): Promise<TestPostgres> {
  server ??= TestPostgres.start();
  return server;
}

/** Stops the server, if it was started, after all tests. */
export async function closeSharedPostgres(): Promise<void> {
  await (await server)?.[Symbol.asyncDispose]();
  server = undefined;
}
