/** Local and session storage by origin, as far as a browser has shown it. Maps are replaced and never changed: a state can hold on to them. */
import type { OriginStorage, StorageItems } from './browser-state.ts';

const NO_ITEMS: StorageItems = new Map();

export class OriginStore {
  #local: ReadonlyMap<string, StorageItems> = new Map();
  /** Session storage belongs to one window. By its handle, then by origin. */
  readonly #session = new Map<string, ReadonlyMap<string, StorageItems>>();
  #origins: { readonly handle: string; readonly value: ReadonlyMap<string, OriginStorage> } | undefined;

  /** Undefined if nothing is known. */
  get(handle: string, area: keyof OriginStorage, origin: string): StorageItems | undefined {
    return (area === 'local' ? this.#local : this.#session.get(handle))?.get(origin);
  }

  set(handle: string, area: keyof OriginStorage, origin: string, items: StorageItems): void {
    if (area === 'local') this.#local = new Map(this.#local).set(origin, items);
    else this.#session.set(handle, new Map(this.#session.get(handle)).set(origin, items));
    this.#origins = undefined;
  }

  /** The storage of the origins visited, as the window with this handle sees it. The same map until something changes. */
  originsOf(handle: string): ReadonlyMap<string, OriginStorage> {
    if (this.#origins?.handle === handle) return this.#origins.value;
    const names = new Set([...this.#local.keys(), ...(this.#session.get(handle)?.keys() ?? [])]);
    const storageOf = (origin: string): OriginStorage => ({
      local: this.get(handle, 'local', origin) ?? NO_ITEMS,
      session: this.get(handle, 'session', origin) ?? NO_ITEMS,
    });
    const value = new Map([...names].map((origin) => [origin, storageOf(origin)]));
    this.#origins = { handle, value };
    return value;
  }

  /** The window is closed, and its session storage with it. */
  drop(handle: string): void {
    this.#session.delete(handle);
    if (this.#origins?.handle === handle) this.#origins = undefined;
  }
}

/** Whether two areas hold the same; `entries` are those that a page told. */
export function hasItems(items: StorageItems | undefined, entries: readonly (readonly [string, string])[]): boolean {
  return items?.size === entries.length && entries.every(([key, value]) => items.get(key) === value);
}
