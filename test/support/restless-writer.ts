/**
 * A program that writes to a registry without a pause. It prints the line `writing` after its first write. Usage: node restless-writer.ts
 * <url>
 */
import { openRegistry } from 'webdriver-supervisor';

const registry = await openRegistry(process.argv[2]);
await registry.metrics.count('sessions_reused');
process.stdout.write('writing\n');
for (;;) await registry.metrics.count('sessions_reused');
