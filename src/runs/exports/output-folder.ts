/** The folder of a run's files: at most one working run writes into it at a time. */
import { realpath } from 'node:fs/promises';
import { hostname } from 'node:os';

import { ConfigError } from '../../core/errors.ts';
import type { FolderClaim } from '../../registry/registry.ts';
import { isProcessOfRunGone } from '../../upkeep/upkeep.ts';

/** Folder -> run, of this process: its runs may have different registries. */
const claimed = new Map<string, string>();

/** The claim that a run makes in the registry. The folder must exist. */
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

/** Claims the folder until the result is disposed of. Throws `ConfigError` if another run of this process has it. */
export function claimFolder(claim: FolderClaim | undefined, runId: string): Disposable {
  if (claim === undefined) return { [Symbol.dispose]: () => undefined };
  assertFolderUnclaimed(claim, runId);
  claimed.set(claim.folder, runId);
  return { [Symbol.dispose]: () => void claimed.delete(claim.folder) };
}
