import { describeFuzz } from './fuzz.ts';

describeFuzz('Monitor: requests that nobody should send', { cases: 150, monitors: 1 });
