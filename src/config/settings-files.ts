/** Reads the files that contain settings. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { suggestKnown } from '../core/did-you-mean.ts';
import { ConfigError, toError } from '../core/errors.ts';

/**
 * Reads the settings files of a folder; the settings of the first one win. `known` are the names of the settings. Throws `ConfigError` for a
 * file that is no JSON object, or has an unknown setting.
 */
export function readSettingsFiles(
  folder: string,
  { environmentName, known }: { readonly environmentName: string | undefined; readonly known: readonly string[] },
): [string, Record<string, unknown>][] {
  const names = environmentName ? [`supervisor.${environmentName}.json`, 'supervisor.json'] : ['supervisor.json'];
  return names
    .map((name) => path.join(folder, name))
    .filter((file) => existsSync(file))
    .map((file) => [file, readSettingsFile(file, known)]);
}

function readSettingsFile(file: string, known: readonly string[]): Record<string, unknown> {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (thrown) {
    throw new ConfigError(`${file} can't be read as JSON: ${toError(thrown).message}`, { cause: thrown });
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new ConfigError(`${file} must contain one JSON object of settings.`);
  }
  const unknown = Object.keys(content).filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new ConfigError(`${file} has unknown settings: ${unknown.join(', ')}.${suggestKnown(unknown, known)}`);
  }
  return content as Record<string, unknown>;
}
