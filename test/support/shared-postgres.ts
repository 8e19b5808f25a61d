import { TestPostgres } from './postgres.ts';

let server: Promise<TestPostgres> | undefined;

/** Returns the PostgreSQL server that all suites of this process share. The first call starts it. Tests must not stop it. */
export function sharedPostgres(): Promise<TestPostgres> {
  server ??= TestPostgres.start();
  return server;
}

/** Stops the server, if it was started, after all tests. */
export async function closeSharedPostgres(): Promise<void> {
  await (await server)?.[Symbol.asyncDispose]();
  server = undefined;
}
