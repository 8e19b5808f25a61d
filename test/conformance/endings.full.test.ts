import { compareSessions } from './compare.ts';
import { endingBodies } from './endings.ts';

compareSessions('Endings', endingBodies);
