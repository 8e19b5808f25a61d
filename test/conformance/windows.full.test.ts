import { compareBodies } from './compare.ts';
import { linkBodies, windowLifeBodies, windowOpenBodies } from './windows.ts';

compareBodies('Windows', [...windowOpenBodies, ...linkBodies, ...windowLifeBodies]);
