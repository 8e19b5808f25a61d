import { TestPostgres } from './postgres.ts';

let server: Promise<TestPostgres> | undefined;

/** One server for all suites of this test process that only need a database; the first one starts it. Not to be stopped by a test. */
export function sharedPostgres(): Promise<TestPostgres> {
  server ??= TestPostgres.start();
  return server;
}

/** After all tests. */
export async function closeSharedPostgres(): Promise<void> {
  await (await server)?.[Symbol.asyncDispose]();
  server = undefined;
}
