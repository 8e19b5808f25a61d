import { describeFuzz } from '../support/describe-fuzz.ts';

describeFuzz('Monitor: very many invalid requests', { cases: 3_000, monitors: 20 });
