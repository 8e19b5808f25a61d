import { compareBodies, type Body } from './compare.ts';
import { errorBodies } from './errors.ts';
import { actionBodies } from './input.ts';
import { cookieBodies, elementBodies, frameBodies } from './pages.ts';
import { parallelBodies, scriptBodies } from './scripts.ts';
import { linkBodies, windowLifeBodies, windowOpenBodies } from './windows.ts';

/** The bodies of every list whose names contain one of these words; `conformance/*.full.test.ts` runs all of them. */
const QUICK =
  /with a URL|with noopener|rel=opener opens|and no rel|closes itself is gone|is closed leaves|removes itself|is stale|are set, read|many commands|(Javascript|NoSuchAlert|ScriptTimeout)Error/;

const all: readonly Body[] = [
  ...windowOpenBodies,
  ...linkBodies,
  ...windowLifeBodies,
  ...frameBodies,
  ...elementBodies,
  ...scriptBodies,
  ...parallelBodies,
  ...cookieBodies,
  ...actionBodies,
  ...errorBodies,
];

compareBodies(
  'The short comparison',
  all.filter(({ name }) => QUICK.test(name)),
);
