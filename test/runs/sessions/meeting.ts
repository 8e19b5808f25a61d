/** Items of batches whose workers have to run at the same time. */
export const key = (item: string): string => item;
export const items = (count: number): string[] => Array.from({ length: count }, (_unused, index) => `item ${index}`);

/** Lets a number of workers meet, so that each of them has to be on a slot of its own. */
export function makeMeeting(size: number): () => Promise<void> {
  const met = Promise.withResolvers<void>();
  let there = 0;
  return () => {
    there += 1;
    if (there === size) met.resolve();
    return met.promise;
  };
}
