import { spawnSync } from 'node:child_process';

/** Makes this user the root of namespaces of its own: of processes, and of mounts. */
export const OWN_PROCESSES = ['--user', '--map-root-user', '--pid', '--fork', '--mount-proc'];
export const OWN_MOUNTS = ['--user', '--map-root-user', '--mount'];
/** A user that is not root and may make no namespaces, in a name space that it may change: see {@link FORBID_NAMESPACES}. */
export const OWN_USER = ['--user', '--map-user=1000', '--keep-caps'];
/** A shell line. */
export const FORBID_NAMESPACES = 'echo 0 > /proc/sys/user/max_user_namespaces';

/** Mocha's `it`, or a skipped test where this user may make no such namespaces, as in some containers. */
export function itInNamespaces(namespaces: readonly string[]): Mocha.PendingTestFunction | Mocha.TestFunction {
  return spawnSync('unshare', [...namespaces, 'true']).status === 0 ? it : it.skip;
}
