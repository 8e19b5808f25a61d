/** What the monitor's own data take: JavaScript's heap and the buffers outside of it, in bytes, without the program itself. */
export function measureData(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** The least of the last looks: garbage that waits for its collector is no data. */
const LOOKS = 6;

export class MemoryWatch {
  #looks: readonly number[] = [];

  /** In bytes. */
  look(): number {
    this.#looks = [...this.#looks, measureData()].slice(-LOOKS);
    return Math.min(...this.#looks);
  }
}
