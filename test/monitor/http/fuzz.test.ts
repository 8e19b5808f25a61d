import { describeFuzz } from '../support/describe-fuzz.ts';

// Several monitors are needed, because each limits changes and wrong tokens per minute.
describeFuzz('Monitor: invalid requests', { cases: 400, monitors: 3 });
