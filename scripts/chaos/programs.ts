/** Kills whole programs with `kill -9` at random moments and resumes them until each run is done. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { killAndResume } from '../../test/faults/resume.ts';

export interface ProgramChaos {
  readonly runs: number;
  readonly seed: number;
  /** The URL of a registry. Default: a new SQLite file. */
  readonly registry?: string | undefined;
}

/** Returns true if each run ended with exactly the file of an undisturbed run and left nothing behind. */
export async function killPrograms({ runs, seed, registry }: ProgramChaos): Promise<boolean> {
  const folder = mkdtempSync(path.join(tmpdir(), 'chaos-'));
  try {
    const registryUrl = registry ?? `sqlite:${path.join(folder, 'registry.db')}`;
    const kills = await killAndResume({ registryUrl, runs, seed });
    console.log(
      `${runs} runs, ${kills} programs killed (seed ${seed}): every file equals that of the undisturbed run.`,
    );
    return true;
  } catch (thrown) {
    console.error(thrown instanceof Error ? thrown.message : thrown);
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
