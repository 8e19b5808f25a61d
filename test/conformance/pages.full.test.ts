import { compareBodies } from './compare.ts';
import { cookieBodies, elementBodies, frameBodies, pictureBodies, scriptBodies, waitBodies } from './pages.ts';

compareBodies('Pages', [
  ...frameBodies,
  ...elementBodies,
  ...scriptBodies,
  ...waitBodies,
  ...cookieBodies,
  ...pictureBodies,
]);
