/** The records of a run as files: one per dataset, JSON lines or CSV, written whole or not at all. */
import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';

import { stringify } from 'csv-stringify/sync';

import { ConfigError, SupervisorError, toError } from '../core/errors.ts';
import type { RecordEntry } from '../registry/registry.ts';

export const EXPORT_FORMATS = ['jsonl', 'csv'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** The data could not be written; it is still in the run's memory, and the message says where the disk refused it. */
export class ExportError extends SupervisorError {
  readonly code = 'export-failed';
  readonly consequence = 'abort-run';
}

/** Makes the folder and tries to write in it. Throws `ConfigError`: this is asked before a browser starts. */
export async function assertWritableFolder(folder: string): Promise<void> {
  const probe = path.join(folder, `.writable-${process.pid}`);
  try {
    await mkdir(folder, { recursive: true });
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

/** Writes each dataset to `<folder>/<dataset>.<format>`; returns dataset -> file. Throws {@link ExportError}. */
export async function exportRecords(
  records: readonly RecordEntry[],
  { folder, format }: { readonly folder: string; readonly format: ExportFormat },
): Promise<Record<string, string>> {
  const outputs: Record<string, string> = {};
  for (const [dataset, entries] of Map.groupBy(records, (record) => record.dataset)) {
    const file = path.join(folder, `${toFileName(dataset)}.${format}`);
    await writeWhole(file, format === 'csv' ? toCsv(entries) : entries.map(({ json }) => `${json}\n`).join(''));
    outputs[dataset] = file;
  }
  return outputs;
}

/** A name without what file systems take amiss. */
export function toFileName(name: string): string {
  return name.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[.-]+|[.-]+$/g, '') || 'unnamed';
}

/** RFC 4180: the sorted union of all fields; nested values as JSON; what a spreadsheet would run as a formula is escaped. */
function toCsv(entries: readonly RecordEntry[]): string {
  const rows = entries.map(({ json }) => JSON.parse(json) as Record<string, unknown>);
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].sort();
  const cells = rows.map((row) => columns.map((column) => toCell(row[column])));
  return stringify([columns.map(escapeFormula), ...cells], { record_delimiter: '\r\n' });
}

function toCell(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? escapeFormula(value) : JSON.stringify(value);
}

/** OWASP's advice on CSV injection. Numbers keep their sign: only texts come here. */
function escapeFormula(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

async function writeWhole(file: string, text: string): Promise<void> {
  const unfinished = `${file}.part`;
  try {
    const handle = await open(unfinished, 'w');
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(unfinished, file);
  } catch (thrown) {
    throw new ExportError(`${file} could not be written: ${toError(thrown).message}. Make room, then run again.`, {
      cause: thrown,
    });
  }
}
