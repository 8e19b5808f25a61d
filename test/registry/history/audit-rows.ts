/** Converts rows of the registry's triggers and tables to the history. */
import type { RawRow } from '../../support/raw-sql.ts';
import type { Change, RegistryState, RunMark } from './history.ts';

export function toChanges(rows: readonly RawRow[]): Change[] {
  return rows.map((row) => {
    const number = (name: string) => Number(row[name]);
    switch (row['kind']) {
      case 'claim':
        return { kind: 'claim', token: number('token'), session: String(row['detail']) };
      case 'begin':
        return { kind: 'begin', token: number('token'), pid: number('pid'), number: number('number') };
      case 'commit':
        return { kind: 'commit', pid: number('pid'), before: number('before'), number: number('number') };
      case 'step':
        return { kind: 'step', step: String(row['detail']), worker: number('worker'), pid: number('pid') };
      default:
        return { kind: 'restored' };
    }
  });
}

export function toMark([row = {}]: readonly RawRow[] = []): RunMark {
  const toNumber = (value: unknown) => (value === null || value === undefined ? null : Number(value));
  return {
    token: toNumber(row['token']),
    writer: toText(row['writer']),
    pid: toNumber(row['pid']),
    commitNumber: Number(row['commit_number']),
  };
}

/** The queries whose results {@link toState} takes in this order. `prefix` is that of the tables. */
export const STATE_QUERIES = (prefix: string) => [
  `select * from ${prefix}runs`,
  `select key, status from ${prefix}steps order by ord`,
  `select json from ${prefix}records order by ord, position, id`,
  `select type, run_id, session_id, status from ${prefix}events order by id`,
];

export function toState([runs = [], steps = [], records = [], events = []]: readonly RawRow[][]): RegistryState {
  return {
    run: runs[0] ?? {},
    steps: steps.map(({ key, status }) => ({ step: String(key), status: String(status) })),
    records: records.map(({ json }) => String(json)),
    events: events.map((row) => ({
      type: String(row['type']),
      run: toText(row['run_id']),
      session: toText(row['session_id']),
      status: toText(row['status']),
    })),
  };
}

function toText(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
