import { openMemoryRunStore } from '../../src/registry/registry.ts';
import { describeRunStore } from './run-store.contract.ts';

describeRunStore('in memory', async () => openMemoryRunStore());
