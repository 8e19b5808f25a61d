import { compareSessions } from './compare.ts';
import { devtoolsBodies } from './devtools.ts';

compareSessions('DevTools', devtoolsBodies);
