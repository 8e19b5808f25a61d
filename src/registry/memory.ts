/** A run's memory for as long as the process lives: for library use without a registry, and for tests of the port. */
import type { RecordEntry, RunStore } from './run-store.ts';

interface Stored extends RecordEntry {
  readonly order: number;
  readonly position: number;
}

export function openMemoryRunStore(): RunStore {
  const records = new Map<string, Stored>();
  let position = 0;

  const put = (record: RecordEntry, order: number): boolean => {
    const id = JSON.stringify([record.dataset, record.key]);
    const before = records.get(id);
    // A step that saves a key twice keeps its first place; another step's record takes its own.
    records.set(id, { ...record, order, position: before?.order === order ? before.position : position++ });
    return before !== undefined && before.order !== order;
  };

  return {
    endStep: async (_id, end, order) =>
      end.status === 'done' ? end.records.filter((record) => put(record, order)) : [],
    saveRecord: async (record, order) => void put(record, order),
    listRecords: async () => [...records.values()].sort((a, b) => a.order - b.order || a.position - b.position),
    countRecords: async () => records.size,
    close: async () => undefined,
  };
}
