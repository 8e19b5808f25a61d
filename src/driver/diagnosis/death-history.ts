/** The earlier deaths of one supervisor. */
export class DeathHistory {
  readonly #pages = new Map<string, number>();

  /** Notes a death at a page, and returns the number of earlier deaths there. */
  note(url: string | null): number {
    if (url === null) return 0;
    const earlier = this.#pages.get(url) ?? 0;
    this.#pages.set(url, earlier + 1);
    return earlier;
  }
}
