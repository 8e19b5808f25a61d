import { compareBodies, compareSessions } from './compare.ts';
import { actionBodies, fileBodies } from './input.ts';

compareBodies('Input', actionBodies);
compareSessions('Files', fileBodies);
