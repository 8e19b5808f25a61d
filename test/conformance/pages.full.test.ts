import { compareBodies } from './compare.ts';
import { cookieBodies, elementBodies, frameBodies, pictureBodies } from './pages.ts';
import { parallelBodies, scriptBodies, waitBodies } from './scripts.ts';

compareBodies('Pages', [...frameBodies, ...elementBodies, ...cookieBodies, ...pictureBodies]);
compareBodies('Scripts', [...scriptBodies, ...waitBodies, ...parallelBodies]);
