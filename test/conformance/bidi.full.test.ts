import { bidiBodies } from './bidi.ts';
import { compareSessions } from './compare.ts';

compareSessions('BiDi', bidiBodies);
