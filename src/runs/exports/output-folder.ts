/** Claims the folder of a run's files, so that at most one run writes into it at a time. */
import { realpath } from 'node:fs/promises';
import { hostname } from 'node:os';

import { ConfigError } from '../../core/errors.ts';
import type { FolderClaim } from '../../registry/registry.ts';
import { isProcessOfRunGone } from '../../upkeep/upkeep.ts';

/** Folder -> run. Runs of one process may have different registries, so the registry's claim does not exclude them. */
const claimed = new Map<string, string>();

/** Returns the claim that a run makes in the registry. The folder must exist. */
export async function toFolderClaim(folder: string): Promise<FolderClaim> {
  return { folder: await realpath(folder), host: hostname(), isGone: isProcessOfRunGone };
}

/** Throws `ConfigError` if another run of this process writes into the folder. */
export function assertFolderUnclaimed({ folder }: FolderClaim, runId: string): void {
  const holder = claimed.get(folder);
  if (holder !== undefined && holder !== runId)
    throw new ConfigError(
      `The run ${holder} of this process writes into ${folder} now. Wait for its end, or choose another \`output\`.`,
      { data: { runId: holder, folder } },
    );
}

/** Claims the folder until the result is disposed. Throws `ConfigError` if another run of this process has claimed it. */
export function claimFolder(claim: FolderClaim | undefined, runId: string): Disposable {
  if (claim === undefined) return { [Symbol.dispose]: () => undefined };
  assertFolderUnclaimed(claim, runId);
  claimed.set(claim.folder, runId);
  return { [Symbol.dispose]: () => void claimed.delete(claim.folder) };
}
