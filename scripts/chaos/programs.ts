/** Whole programs that are killed by `kill -9` at random moments and resumed, until each run is done. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { killAndResume } from '../../test/faults/resume.ts';

export interface ProgramChaos {
  readonly runs: number;
  readonly seed: number;
  /** The URL of a registry. Default: an SQLite file of its own. */
  readonly registry?: string | undefined;
}

/** Returns whether each run ended with the file of an undisturbed run, byte for byte, and left nothing behind. */
export async function killPrograms({ runs, seed, registry }: ProgramChaos): Promise<boolean> {
  const folder = mkdtempSync(path.join(tmpdir(), 'chaos-'));
  try {
    const registryUrl = registry ?? `sqlite:${path.join(folder, 'registry.db')}`;
    const kills = await killAndResume({ registryUrl, runs, seed });
    console.log(`${runs} runs, ${kills} programs killed (seed ${seed}): every file is that of the undisturbed run.`);
    return true;
  } catch (thrown) {
    console.error(thrown instanceof Error ? thrown.message : thrown);
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
