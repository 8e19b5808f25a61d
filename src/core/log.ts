/**
 * The entry point to winston. Lines are readable text or JSON. They go to stderr (stdout is for results) and are
 * redacted. Each entry is one line, even if it contains text of a page with line breaks.
 */
import { createRequire } from 'node:module';
import { EOL } from 'node:os';
import { Writable } from 'node:stream';

import type winston from 'winston';

import { toError } from './errors.ts';
import { toPlainJson, toPlainLine } from './plain-text.ts';
import { redactText, redactValue } from './redact.ts';

const require = createRequire(import.meta.url);

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export const LOG_FORMATS = ['text', 'json'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];
export type LogFields = Readonly<Record<string, unknown>>;

/** The interface that all modules log to. `fields` are structured and redacted; messages are plain sentences. */
export interface Log {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** Returns a log that adds these fields to each line. */
  child(fields: LogFields): Log;
}

export interface LogOptions {
  /** The lowest level that is written. Default `info`. */
  readonly level?: LogLevel;
  /** Default `text`. */
  readonly format?: LogFormat;
  /** If true, each line of text begins with its time. JSON has it always. Default false. */
  readonly isTimed?: boolean;
  /** The destination of lines. Default: stderr. A progress bar passes its own, so that lines do not overwrite the bar. */
  readonly write?: (line: string) => void;
}

/** Creates a separate log. Nothing global changes, so several supervisors in one program do not affect each other. */
export function makeLog({ level = 'info', format = 'text', isTimed = false, write }: LogOptions = {}): Log {
  const text = format === 'text';
  const startOfLine = () => (isTimed ? `${new Date().toISOString()} ` : '');
  const destination = write ?? ((line: string) => void process.stderr.write(line));
  // Winston is loaded with the first log that is made, because a program with its own log does not need it.
  const { createLogger, format: formats, transports } = require('winston') as typeof winston;
  const logger = createLogger({
    level,
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    format: formats.combine(
      formats(redactEntry)(),
      ...(text ? [formats.printf(toTextLine)] : [formats.timestamp(), formats.json()]),
    ),
    transports: [
      // Titles, messages and labels come from pages. They must not forge a line or control the terminal.
      new transports.Stream({
        stream: lineStream((line) => destination(`${text ? startOfLine() + toPlainLine(line) : toPlainJson(line)}\n`)),
      }),
    ],
  });
  return toLog(logger);
}

/** A log that writes nothing. It is the library's default, because the application decides where lines go. */
export const silentLog: Log = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => silentLog,
};

/** Returns a program's log as one that never throws, so that its fault does not stop what it describes. Node.js warns of the fault. */
export function guardLog(log: Log): Log {
  const guarded =
    (level: LogLevel): Log[LogLevel] =>
    (message, fields) => {
      try {
        log[level](message, fields);
      } catch (thrown) {
        process.emitWarning(`The log threw an error: ${redactText(toError(thrown).message)}`);
      }
    };
  return {
    error: guarded('error'),
    warn: guarded('warn'),
    info: guarded('info'),
    debug: guarded('debug'),
    child: (fields) => guardLog(log.child(fields)),
  };
}

function toTextLine({
  level,
  message,
  [Symbol.for('splat')]: _splat,
  ...fields
}: winston.Logform.TransformableInfo): string {
  const mark = { error: 'error: ', warn: 'warning: ', info: '', debug: 'debug: ' }[level] ?? '';
  const details = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return `${mark}${String(message)}${details.length > 0 ? `  (${details.join(' ')})` : ''}`;
}

function redactEntry(entry: winston.Logform.TransformableInfo): winston.Logform.TransformableInfo {
  const { level, message, ...fields } = entry;
  return { ...entry, ...(redactValue(fields) as object), level, message: redactText(String(message)) };
}

function toLog(logger: winston.Logger): Log {
  // One object is passed instead of winston's (message, fields), because winston drops the fields if the message contains `%d`, as URLs
  // may.
  const write = (level: LogLevel) => (message: string, fields?: LogFields) =>
    void logger.log({ ...fields, level, message });
  return {
    error: write('error'),
    warn: write('warn'),
    info: write('info'),
    debug: write('debug'),
    child: (fields) => toLog(logger.child(fields)),
  };
}

function lineStream(write: (line: string) => void): Writable {
  return new Writable({
    decodeStrings: false,
    write: (chunk: string, _encoding, done) => {
      write(chunk.slice(0, -EOL.length));
      done();
    },
  });
}
