import { expect } from 'chai';

import { openRegistry, type Registry } from '../../../src/registry/registry.ts';
import type { TestRegistries } from '../../support/registries.ts';
import { fillRegistry } from './filled-registry.ts';
import { openMonitor, type OpenedMonitor } from './opened-monitor.ts';

interface Page {
  readonly rows: readonly { readonly id: string }[];
  readonly next: string | null;
}

/** Opens a monitor of a registry with sessions and runs in all statuses for the tests of the suite. */
export function useFilledMonitor(registries: TestRegistries) {
  let url: string;
  let registry: Registry;
  let monitor: OpenedMonitor;

  before(async () => {
    url = await registries.url();
    registry = await openRegistry(url);
    await fillRegistry(registry, url);
    monitor = await openMonitor(url);
  });

  after(async () => {
    await monitor.close();
    await registry.close();
  });

  const get = async (target: string) => {
    const answer = await monitor.ask(target);
    expect(answer.status, answer.text).to.equal(200);
    return answer.json;
  };
  const page = async (list: 'runs' | 'sessions', query: string): Promise<Page> => {
    const { [list]: rows, count, next } = await get(`/${list}?${query}`);
    expect(count).to.equal(rows.length);
    return { rows, next };
  };
  return { opened: () => ({ url, registry, monitor }), get, page };
}
