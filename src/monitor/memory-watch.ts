/** Returns the size of the monitor's own data in bytes: JavaScript's heap and the buffers outside of it, without the program itself. */
export function measureData(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** The number of samples of which the smallest counts. Larger ones may contain garbage that is not collected yet. */
const MAX_SAMPLES = 6;

export class MemoryWatch {
  #samples: readonly number[] = [];

  /** Takes a sample. Returns the smallest of the last six samples in bytes. */
  sample(): number {
    this.#samples = [...this.#samples, measureData()].slice(-MAX_SAMPLES);
    return Math.min(...this.#samples);
  }
}
