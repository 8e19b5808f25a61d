import { compareBodies, compareSessions } from './compare.ts';
import { specialSessionBodies, specialBodies } from './special.ts';

compareBodies('Special pages', specialBodies);
compareSessions('Special sessions', specialSessionBodies);
