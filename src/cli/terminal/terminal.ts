/**
 * Prints to stdout and stderr. These functions remove secret values and characters that a terminal interprets; line breaks belong to the
 * layout. Commands print by these functions only; during a run, only its progress display writes to stderr.
 */
import { styleText } from 'node:util';

import { toPlainJson, toPlainText } from '../../core/plain-text.ts';
import { maskSecrets } from '../../core/secrets.ts';

/** Returns text without secret values and control characters. */
export function toTerminalText(text: string): string {
  return toPlainText(maskSecrets(text));
}

/** Prints a result to stdout. */
export function printResult(text: string): void {
  process.stdout.write(toTerminalText(text));
}

/** Prints a result to stdout as one line of JSON. */
export function printJson(value: unknown): void {
  process.stdout.write(`${toPlainJson(maskSecrets(JSON.stringify(value)))}\n`);
}

/** Prints text that is not a result to stderr. */
export function printNote(text: string): void {
  process.stderr.write(toTerminalText(text));
}

/** Prints an error message to stderr, followed by a line break. */
export function printProblem(message: string): void {
  process.stderr.write(`${styleText('red', 'error:', { stream: process.stderr })} ${toTerminalText(message)}\n`);
}
