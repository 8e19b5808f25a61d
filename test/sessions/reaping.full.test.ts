import { describeOnBoth } from '../support/registries.ts';
import { describeReaping } from './reaping.ts';

describeOnBoth('The leftovers of a dead process', describeReaping);
