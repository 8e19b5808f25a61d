/**
 * Lets items of other hosts go before those of a host that is busy, so that the items of one slow host don't take all workers. No worker
 * stays idle for it: if only items of busy hosts wait, the first of them is next.
 */
import { ActionError } from '../../core/errors.ts';
import { Line } from './line.ts';

export interface HostTurnsOptions<Item> {
  readonly hostOf: (item: Item) => string | URL | undefined;
  /** The number of running items from which a host is busy. */
  readonly limit: number;
}

interface Host<Entry> {
  /** The items that run, or are next because one that ran has ended. */
  active: number;
  readonly passedOver: Line<Entry>;
}

export class HostTurns<Entry extends object, Item> {
  readonly #options: HostTurnsOptions<Item>;
  readonly #hosts = new Map<string, Host<Entry>>();
  /** The hosts of the entries that wait or run. */
  readonly #names = new Map<Entry, string>();
  /** Entries that were passed over and whose host is no longer busy. */
  readonly #next = new Line<Entry>();
  /** The hosts with entries that were passed over. */
  readonly #busy = new Set<Host<Entry>>();
  #passedOver = 0;

  constructor(options: HostTurnsOptions<Item>) {
    this.#options = options;
  }

  /** The number of entries that were passed over. */
  get size(): number {
    return this.#passedOver + this.#next.size;
  }

  /** Returns the host of an item, if it has one. Throws `ActionError` if it can't be used. */
  read(item: Item): string | undefined {
    const given = this.#options.hostOf(item);
    if (given === undefined) return undefined;
    if (!URL.canParse(String(given)))
      throw new ActionError(`\`hostOf\` returned ${String(given)} for a batch item; it must return a whole URL.`);
    return new URL(given).host;
  }

  put(entry: Entry, name: string | undefined): void {
    if (name !== undefined) this.#names.set(entry, name);
  }

  /** Returns the next entry. `take` supplies those that have not been passed over. */
  take(take: () => Entry | undefined): Entry | undefined {
    const next = this.#next.take();
    if (next !== undefined) return next;
    for (let entry = take(); entry !== undefined; entry = take()) {
      const host = this.#hostOf(entry);
      if (host === undefined) return entry;
      if (host.active < this.#options.limit) {
        host.active += 1;
        return entry;
      }
      host.passedOver.put(entry);
      this.#passedOver += 1;
      this.#busy.add(host);
    }
    const [first] = this.#busy;
    return first && this.#recall(first);
  }

  /** Called when an entry that was taken has ended. */
  leave(entry: Entry): void {
    const host = this.#hostOf(entry);
    if (host === undefined) return;
    host.active -= 1;
    const name = this.#names.get(entry) ?? '';
    this.#names.delete(entry);
    if (host.active < this.#options.limit && host.passedOver.size > 0) {
      const next = this.#recall(host);
      if (next !== undefined) this.#next.put(next);
    } else if (host.active === 0) this.#hosts.delete(name);
  }

  clear(): void {
    for (const host of this.#busy) host.passedOver.clear();
    this.#busy.clear();
    this.#next.clear();
    this.#passedOver = 0;
  }

  #recall(host: Host<Entry>): Entry | undefined {
    const entry = host.passedOver.take();
    this.#passedOver -= 1;
    host.active += 1;
    if (host.passedOver.size === 0) this.#busy.delete(host);
    return entry;
  }

  #hostOf(entry: Entry): Host<Entry> | undefined {
    const name = this.#names.get(entry);
    if (name === undefined) return undefined;
    const known = this.#hosts.get(name);
    if (known !== undefined) return known;
    const host = { active: 0, passedOver: new Line<Entry>() };
    this.#hosts.set(name, host);
    return host;
  }
}
