import { spawnSync } from 'node:child_process';

/** Makes this user the root of namespaces of its own: of processes, and of mounts. */
export const OWN_PROCESSES = ['--user', '--map-root-user', '--pid', '--fork', '--mount-proc'];
export const OWN_MOUNTS = ['--user', '--map-root-user', '--mount'];

/** Mocha's `it`, or a skipped test where this user may make no such namespaces, as in some containers. */
export function itInNamespaces(namespaces: readonly string[]): Mocha.PendingTestFunction | Mocha.TestFunction {
  return spawnSync('unshare', [...namespaces, 'true']).status === 0 ? it : it.skip;
}
