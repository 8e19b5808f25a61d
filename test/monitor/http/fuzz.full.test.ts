import { describeFuzz } from '../support/describe-fuzz.ts';

describeFuzz('Monitor: very many requests that nobody should send', { cases: 3_000, monitors: 20 });
