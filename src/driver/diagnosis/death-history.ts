/** The earlier deaths of one supervisor that may be due to their page. */
export class DeathHistory {
  readonly #pages = new Map<string, number>();

  /** Returns the number of the noted deaths at a page. */
  countAt(url: string): number {
    return this.#pages.get(url) ?? 0;
  }

  note(url: string): void {
    this.#pages.set(url, this.countAt(url) + 1);
  }
}
