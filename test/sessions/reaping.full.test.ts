import { describeOnPostgres } from '../support/registries.ts';
import { describeReaping } from './reaping.ts';

describeOnPostgres('What a vanished process left', describeReaping);
