import { spawnSync } from 'node:child_process';

/** Flags of `unshare` that make the current user root in a new namespace of processes, or of mounts. */
export const OWN_PROCESSES = ['--user', '--map-root-user', '--pid', '--fork', '--mount-proc'];
export const OWN_MOUNTS = ['--user', '--map-root-user', '--mount'];
/** Flags of `unshare` for a user that is not root but may run {@link FORBID_NAMESPACES} in its namespace. */
export const OWN_USER = ['--user', '--map-user=1000', '--keep-caps'];
/** A shell command after which the user of {@link OWN_USER} can make no namespaces. */
export const FORBID_NAMESPACES = 'echo 0 > /proc/sys/user/max_user_namespaces';

/** Returns Mocha's `it`, or `it.skip` if the current user may not make these namespaces, as in some containers. */
export function itInNamespaces(namespaces: readonly string[]): Mocha.PendingTestFunction | Mocha.TestFunction {
  return spawnSync('unshare', [...namespaces, 'true']).status === 0 ? it : it.skip;
}
