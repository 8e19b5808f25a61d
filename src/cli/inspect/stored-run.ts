/** Texts about a run that all commands make from its row. */
import type { StoredRun } from '../../model/run.ts';
import { toResumeCommand } from '../../upkeep/upkeep.ts';
import { commandLine } from '../terminal/command-line.ts';
import { isLeft } from './registry-commands.ts';

/** Returns whether the row of a run has the status of a run in progress although its process is gone. */
export function isRunLeft(run: StoredRun): boolean {
  return run.status === 'processing' && isLeft(run);
}

/** Returns the command that resumes the run, with a gap for each parameter that may be secret and is not stored. */
export function resumeLine(run: StoredRun): string {
  return commandLine(...toResumeCommand(run));
}
