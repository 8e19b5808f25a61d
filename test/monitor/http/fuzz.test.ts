import { describeFuzz } from '../support/describe-fuzz.ts';

// Several monitors: each takes only so many changes and wrong tokens within a minute.
describeFuzz('Monitor: requests that nobody should send', { cases: 400, monitors: 3 });
