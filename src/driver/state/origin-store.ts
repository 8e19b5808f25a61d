/** The known local and session storage by origin. Its maps are replaced, never changed, so that a state can refer to them. */
import type { OriginStorage, StorageItems } from './browser-state.ts';

const NO_ITEMS: StorageItems = new Map();

export class OriginStore {
  #local: ReadonlyMap<string, StorageItems> = new Map();
  /** Session storage by window handle, then by origin. It belongs to one window. */
  readonly #session = new Map<string, ReadonlyMap<string, StorageItems>>();
  #origins: { readonly handle: string; readonly value: ReadonlyMap<string, OriginStorage> } | undefined;

  /** Returns the items of an origin; undefined if they are not known. */
  get(handle: string, area: keyof OriginStorage, origin: string): StorageItems | undefined {
    return (area === 'local' ? this.#local : this.#session.get(handle))?.get(origin);
  }

  set(handle: string, area: keyof OriginStorage, origin: string, items: StorageItems): void {
    if (area === 'local') this.#local = new Map(this.#local).set(origin, items);
    else this.#session.set(handle, new Map(this.#session.get(handle)).set(origin, items));
    this.#origins = undefined;
  }

  /** Returns the storage of the visited origins for the window with this handle. Returns the same map until something changes. */
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

  /** Removes the session storage of a closed window. */
  drop(handle: string): void {
    this.#session.delete(handle);
    if (this.#origins?.handle === handle) this.#origins = undefined;
  }
}

/** Returns whether a known area is equal to the entries that a page reported. */
export function hasItems(items: StorageItems | undefined, entries: readonly (readonly [string, string])[]): boolean {
  return items?.size === entries.length && entries.every(([key, value]) => items.get(key) === value);
}
