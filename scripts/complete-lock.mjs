/**
 * Adds the packages for other platforms to package-lock.json. A partial mirror of the npm registry answers 404 for them, npm leaves them
 * out, and the next `npm ci` refuses the file. The packages that depend on them pin their versions. npm skips them on this machine by `os`
 * and `cpu`, and adds the missing fields on a machine that needs them. Run this script after `npm install` changed the lock file.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const LOCK = fileURLToPath(new URL('../package-lock.json', import.meta.url));
const PARTS =
  /(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)-(arm64|arm|ia32|loong64|mips64el|ppc64|riscv64|s390x|x64)(?:-(gnu|musl))?/;

const lock = JSON.parse(readFileSync(LOCK, 'utf8'));
const { '': root, ...packages } = lock.packages;
for (const { optionalDependencies = {}, dev } of Object.values(packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const [, os, cpu, libc] = PARTS.exec(name) ?? [];
    if (packages[`node_modules/${name}`] || !os) continue;
    packages[`node_modules/${name}`] = {
      version,
      cpu: [cpu],
      ...(dev && { dev }),
      ...(libc && { libc: [libc === 'musl' ? 'musl' : 'glibc'] }),
      optional: true,
      os: [os],
    };
    console.error(`added ${name} ${version}`);
  }
}
const sorted = Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
writeFileSync(LOCK, `${JSON.stringify({ ...lock, packages: { '': root, ...Object.fromEntries(sorted) } }, null, 2)}\n`);
