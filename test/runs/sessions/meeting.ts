/** Items of batches whose workers must run at the same time. */
export const key = (item: string): string => item;
export const items = (count: number): string[] => Array.from({ length: count }, (_unused, index) => `item ${index}`);

/** Lets a number of workers wait for each other, so that each must be on its own slot. */
export function makeMeeting(size: number): () => Promise<void> {
  const met = Promise.withResolvers<void>();
  let there = 0;
  return () => {
    there += 1;
    if (there === size) met.resolve();
    return met.promise;
  };
}
