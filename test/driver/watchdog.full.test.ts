import { expectNothingAfter } from './support/ended-program.ts';

/** Ways for a program to end without a chance to clear up, or without using it. */
const ENDINGS: readonly { readonly how: string; readonly argument: string; readonly signal?: NodeJS.Signals }[] = [
  { how: 'SIGTERM without a handler', argument: 'stay', signal: 'SIGTERM' },
  { how: 'SIGHUP without a handler', argument: 'stay', signal: 'SIGHUP' },
  { how: 'process.exit', argument: 'exit' },
  { how: 'an error that nobody catches', argument: 'throw' },
];

describe('Watchdog, on a real browser, at length (law 6)', () => {
  for (const { how, argument, signal } of ENDINGS) {
    it(`leaves no driver, browser, watchdog or folder within 2 s of the program's end by ${how}`, async () => {
      await expectNothingAfter(argument, signal);
    });
  }
});
