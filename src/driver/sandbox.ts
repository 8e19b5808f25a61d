/** Returns whether Chromium must run without its sandbox: as root it refuses to start with one. */
export function needsNoSandbox(): boolean {
  return process.getuid?.() === 0;
}
