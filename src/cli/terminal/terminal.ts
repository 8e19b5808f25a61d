/**
 * Prints to stdout and stderr. These functions remove secret values and characters that a terminal interprets; line breaks belong to the
 * layout. Commands print by these functions only; during a run, only its progress display writes to stderr. With the setting
 * LOG_FORMAT=json, each line of stderr is an object of JSON like those of the log.
 */
import { styleText } from 'node:util';

import { loadConfig } from '../../config/config.ts';
import type { LogFields, LogFormat, LogLevel } from '../../core/log.ts';

import { toPlainJson, toPlainText } from '../../core/plain-text.ts';
import { maskSecrets } from '../../core/secrets.ts';

/** Taken before the code of an action can be given another function: see `captureStderr`. */
const writeError = process.stderr.write.bind(process.stderr);

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

/** Returns the setting LOG_FORMAT. If a setting is wrong, its report has the format that the environment asks for. */
export function readLogFormat(): LogFormat {
  try {
    return loadConfig().logFormat;
  } catch {
    return process.env['LOG_FORMAT'] === 'json' ? 'json' : 'text';
  }
}

/** Returns an entry like those of the log, as a line of JSON. */
export function toLogLine(level: LogLevel, text: string, fields: LogFields = {}): string {
  const entry = { ...fields, level, message: maskSecrets(text.trimEnd()), timestamp: new Date().toISOString() };
  return `${toPlainJson(JSON.stringify(entry))}\n`;
}

/** Prints text that is not a result to stderr. */
export function printNote(text: string): void {
  writeError(readLogFormat() === 'json' ? toLogLine('info', text) : toTerminalText(text));
}

/** Prints an error message to stderr, followed by a line break. */
export function printProblem(message: string): void {
  printMarked(message, { level: 'error', mark: styleText('red', 'error:', { stream: process.stderr }) });
}

/** Prints a warning to stderr, followed by a line break. */
export function printWarning(message: string): void {
  printMarked(message, { level: 'warn', mark: styleText('yellow', 'warning:', { stream: process.stderr }) });
}

function printMarked(message: string, { level, mark }: { readonly level: LogLevel; readonly mark: string }): void {
  const isJson = readLogFormat() === 'json';
  writeError(isJson ? toLogLine(level, message) : `${mark} ${toTerminalText(message)}\n`);
}
