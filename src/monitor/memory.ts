/** What the monitor's own data take: JavaScript's heap and the buffers outside of it, in bytes, without the program itself. */
export function measureData(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
