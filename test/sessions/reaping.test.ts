import { describeOnSqlite } from '../support/registries.ts';
import { describeReaping } from './reaping.ts';

describeOnSqlite('What a vanished process left', describeReaping);
