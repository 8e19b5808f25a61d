import { compareBodies, type Body } from './compare.ts';
import { errorBodies } from './errors.ts';
import { cookieBodies, elementBodies, frameBodies } from './pages.ts';
import { linkBodies, windowLifeBodies, windowOpenBodies } from './windows.ts';

/** The bodies of all lists with one of these words in their names (at most 15 s); `conformance/*.full.test.ts` runs all of them. */
const QUICK =
  /with a URL|with noopener|rel=opener opens|and no rel|closes itself is gone|is closed leaves|removes itself|is stale|are set, read|a script that throws/;

const all: readonly Body[] = [
  ...windowOpenBodies,
  ...linkBodies,
  ...windowLifeBodies,
  ...frameBodies,
  ...elementBodies,
  ...cookieBodies,
  ...errorBodies,
];

compareBodies(
  'The short comparison',
  all.filter(({ name }) => QUICK.test(name)),
);
