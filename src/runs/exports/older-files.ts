/** Files of earlier exports beside the new ones. */
import { existsSync } from 'node:fs';
import path from 'node:path';

import { EXPORT_FORMATS, type ExportFormat } from './formats.ts';

/**
 * Returns a warning for each file that has the data of this export in another format, and for each file of the run's last export (`earlier`)
 * whose dataset no longer exists. A reader could take them for results. Files in other folders don't count.
 */
export function warnOfOlderFiles(
  files: readonly string[],
  {
    folder,
    format,
    earlier,
  }: { readonly folder: string; readonly format: ExportFormat; readonly earlier: readonly string[] },
): string[] {
  const bases = files.map((file) => file.slice(0, -format.length));
  const inOtherFormats = bases.flatMap((base) => EXPORT_FORMATS.map((other) => `${base}${other}`));
  return [...new Set([...earlier, ...inOtherFormats])]
    .filter((file) => path.dirname(path.resolve(file)) === path.resolve(folder))
    .filter((file) => !files.includes(file) && existsSync(file))
    .map(
      (file) => `The file ${file} is from an earlier export and has not been changed. Remove it if you don't need it.`,
    );
}
