import path from 'node:path';

import { openRegistry, type Registry } from '../../../src/registry/registry.ts';
import { makeFolder, type Folder } from '../cli.ts';

interface RegistryFolder {
  readonly folder: Folder;
  readonly url: string;
  readonly registry: Registry;
}

/** Gives each test of the suite a folder with an empty registry, which is open during the test. */
export function useRegistryFolder(): () => RegistryFolder {
  let opened: RegistryFolder;

  beforeEach(async () => {
    const folder = makeFolder();
    const url = `sqlite:${path.join(folder.path, 'registry.db')}`;
    opened = { folder, url, registry: await openRegistry(url) };
  });

  afterEach(async () => {
    await opened.registry.close();
    opened.folder[Symbol.dispose]();
  });

  return () => opened;
}
