import { expectNothingAfter } from './support/ended-program.ts';

/** Ways in which a program ends without removing its leftovers. */
const ENDINGS: readonly { readonly how: string; readonly argument: string; readonly signal?: NodeJS.Signals }[] = [
  { how: 'SIGTERM without a handler', argument: 'stay', signal: 'SIGTERM' },
  { how: 'SIGHUP without a handler', argument: 'stay', signal: 'SIGHUP' },
  { how: 'process.exit', argument: 'exit' },
  { how: 'an uncaught error', argument: 'throw' },
];

describe('Watchdog, on a real browser, long runs (invariant 6)', () => {
  for (const { how, argument, signal } of ENDINGS) {
    it(`leaves no driver, browser, watchdog or folder within 2 s of the program's end by ${how}`, async () => {
      await expectNothingAfter(argument, signal === undefined ? {} : { signal });
    });
  }
});
