import { describeOnBoth } from '../support/registries.ts';
import { describeReaping } from './reaping.ts';

describeOnBoth('What a vanished process left', describeReaping);
