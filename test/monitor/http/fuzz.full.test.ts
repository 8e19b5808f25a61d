import { describeFuzz } from './fuzz.ts';

// Several monitors: each takes only so many changes and wrong tokens within a minute.
describeFuzz('Monitor: very many requests that nobody should send', { cases: 3_000, monitors: 10 });
