/** A program that writes to a registry without a pause, and says on a line of its own that it does. Usage: node restless-writer.ts <url> */
import { openRegistry } from 'webdriver-supervisor';

const registry = await openRegistry(process.argv[2]);
await registry.metrics.count('sessions_reused');
process.stdout.write('writing\n');
for (;;) await registry.metrics.count('sessions_reused');
