/**
 * The way to stdout and stderr. Whatever is printed here is free of secret values and of characters that a terminal would act on; line
 * breaks are the layout's own. A command prints by these functions alone; while a run goes on, stderr belongs to its progress display.
 */
import { styleText } from 'node:util';

import { toPlainJson, toPlainText } from '../core/plain-text.ts';
import { maskSecrets } from '../core/secrets.ts';

/** Text as it may go to a terminal. */
export function toTerminalText(text: string): string {
  return toPlainText(maskSecrets(text));
}

/** Prints a result: to stdout. */
export function printResult(text: string): void {
  process.stdout.write(toTerminalText(text));
}

/** Prints a result as one line of JSON. */
export function printJson(value: unknown): void {
  process.stdout.write(`${toPlainJson(maskSecrets(JSON.stringify(value)))}\n`);
}

/** Prints what is no result: to stderr. */
export function printNote(text: string): void {
  process.stderr.write(toTerminalText(text));
}

/** Prints what went wrong: to stderr, with a line break at its end. */
export function printProblem(message: string): void {
  process.stderr.write(`${styleText('red', 'error:', { stream: process.stderr })} ${toTerminalText(message)}\n`);
}
