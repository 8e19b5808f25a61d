/** The records of a run as files: one per dataset, JSON lines or CSV, written whole or not at all. */
import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';

import { stringify } from 'csv-stringify/sync';

import { ConfigError, SupervisorError, toError } from '../core/errors.ts';
import { makeFolder, PRIVATE_FILE_MODE } from '../core/folders.ts';
import type { RecordEntry } from '../registry/registry.ts';

export const EXPORT_FORMATS = ['jsonl', 'csv'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** In letters, which take up to 4 bytes each; file systems allow 255 bytes. */
const LONGEST_NAME = 60;

/** The data could not be written; it is still in the run's memory, and the message says where the disk refused it. */
export class ExportError extends SupervisorError {
  readonly code = 'export-failed';
  readonly consequence = 'abort-run';
}

/** Makes the folder and tries to write in it. Throws `ConfigError`: this is asked before a browser starts. */
export async function assertWritableFolder(folder: string): Promise<void> {
  const probe = path.join(folder, `.writable-${process.pid}`);
  try {
    await makeFolder(folder);
    const file = await open(probe, 'w');
    await file.close();
    await rm(probe);
  } catch (thrown) {
    throw new ConfigError(
      `The output folder ${folder} can't be written to: ${toError(thrown).message}. Choose another with --output.`,
      {
        cause: thrown,
      },
    );
  }
}

/**
 * Writes each dataset to `<folder>/<dataset>.<format>`; returns dataset -> file. No file gets its name before all are written, so that
 * a full disk leaves those of an earlier export alone. Throws {@link ExportError}.
 */
export async function exportRecords(
  records: readonly RecordEntry[],
  { folder, format }: { readonly folder: string; readonly format: ExportFormat },
): Promise<Record<string, string>> {
  const datasets = Map.groupBy(records, (record) => record.dataset);
  const names = nameFiles([...datasets.keys()]);
  const files = new Map([...names].map(([dataset, name]) => [dataset, path.join(folder, `${name}.${format}`)]));
  let current = folder;
  try {
    for (const [dataset, file] of files) {
      current = file;
      await writeUnfinished(file, toText(datasets.get(dataset) ?? [], format));
    }
    for (const file of files.values()) {
      current = file;
      await rename(unfinished(file), file);
    }
  } catch (thrown) {
    await Promise.allSettled([...files.values()].map((file) => rm(unfinished(file), { force: true })));
    throw new ExportError(`${current} could not be written: ${toError(thrown).message}. Make room, then run again.`, {
      cause: thrown,
    });
  }
  return Object.fromEntries(files);
}

/** A name without what file systems take amiss, and short enough for them whatever its letters. */
export function toFileName(name: string): string {
  const usable = name.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[.-]+|[.-]+$/g, '');
  return Array.from(usable).slice(0, LONGEST_NAME).join('') || 'unnamed';
}

/** Names that differ also where the file system takes upper and lower case as the same. */
function nameFiles(datasets: readonly string[]): Map<string, string> {
  const taken = new Set<string>();
  const names = new Map<string, string>();
  for (const dataset of datasets) {
    const wanted = toFileName(dataset);
    let name = wanted;
    for (let number = 2; taken.has(name.toLowerCase()); number += 1) name = `${wanted}-${number}`;
    taken.add(name.toLowerCase());
    names.set(dataset, name);
  }
  return names;
}

function toText(entries: readonly RecordEntry[], format: ExportFormat): string {
  return format === 'csv' ? toCsv(entries) : entries.map(({ json }) => `${json}\n`).join('');
}

/** RFC 4180: the sorted union of all fields; nested values as JSON; what a spreadsheet would run as a formula is escaped. */
function toCsv(entries: readonly RecordEntry[]): string {
  const rows = entries.map(({ json }) => JSON.parse(json) as Record<string, unknown>);
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].sort();
  // A field may be named like what every object inherits.
  const cells = rows.map((row) => columns.map((column) => (Object.hasOwn(row, column) ? toCell(row[column]) : '')));
  return stringify([columns.map(escapeFormula), ...cells], {
    record_delimiter: '\r\n',
    // The library quotes only the line break that it writes itself; readers take either half of it for one.
    quoted_match: /[\r\n]/,
    // A row of one empty cell would be an empty line, which readers pass over.
    quoted_empty: columns.length === 1,
  });
}

function toCell(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? escapeFormula(value) : JSON.stringify(value);
}

/** OWASP's advice on CSV injection. Numbers keep their sign: only texts come here. */
function escapeFormula(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

function unfinished(file: string): string {
  return `${file}.part`;
}

async function writeUnfinished(file: string, text: string): Promise<void> {
  const handle = await open(unfinished(file), 'w', PRIVATE_FILE_MODE);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
