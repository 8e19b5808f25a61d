/** Prints one message for every error and returns its exit code. */
import { CommanderError } from 'commander';

import { CancelledError, describeError, InvariantError, SupervisorError, stackOf, toError } from '../../core/errors.ts';
import { redactText } from '../../core/redact.ts';
import { printNote, printProblem } from './terminal.ts';

export const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
export const EXIT_CANCELLED = 130;

/** Writes the message of `thrown` to stderr, with its stack trace if `verbose`; returns the exit code. */
export function reportError(thrown: unknown, { verbose }: { readonly verbose: boolean }): number {
  // commander has printed the message already.
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : EXIT_USAGE;
  const error = toError(thrown);
  const isExpected = error instanceof SupervisorError && !(error instanceof InvariantError);
  const { message } = describeError(error);
  // Our own messages can have several lines. The lines of a foreign message must not look like ours.
  const text = isExpected ? message : `Unexpected ${error.name}: ${message.replaceAll('\n', '\n  ')}`;
  printProblem(redactText(text));
  if (verbose) printNote(`${redactText(describeStack(error))}\n`);
  else if (!isExpected) printNote('Run again with --verbose for the details.\n');
  if (error instanceof CancelledError) return EXIT_CANCELLED;
  return isExpected ? EXIT_USAGE : EXIT_FAILED;
}

/** Returns the stack of `error` and those of its causes. Their lines are indented, so that none of them looks like ours. */
export function describeStack(error: Error): string {
  const { cause } = error;
  const own = stackOf(error).replace(/\r?\n(?=\S)/g, '\n    ');
  return [own, ...(cause instanceof Error ? [`caused by: ${describeStack(cause)}`] : [])].join('\n');
}
