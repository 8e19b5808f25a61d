/** Programs that run at the same time: as many as the machine has cores at least. */
const AT_A_TIME = 2;

/** Calls `work` for all items, two at a time. Rejects with the first failure when those that are under way have ended. */
export async function twoAtATime<Item>(items: Iterable<Item>, work: (item: Item) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  const results = await Promise.allSettled(Array.from({ length: AT_A_TIME }, worker));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
