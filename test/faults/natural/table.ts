/** The outcomes of many trials, as a table: a row for each action, a column for each fault. */
import { NATURAL_FAULTS } from './trial.ts';
import { VERDICTS, type Verdict } from './verdict.ts';

const COLUMNS = ['undisturbed', ...NATURAL_FAULTS] as const;
type Column = (typeof COLUMNS)[number];

export class OutcomeTable {
  readonly #cells = new Map<string, Map<Column, Verdict[]>>();

  add(action: string, column: Column, verdict: Verdict): void {
    const row = this.#cells.get(action) ?? new Map<Column, Verdict[]>();
    this.#cells.set(action, row);
    row.set(column, [...(row.get(column) ?? []), verdict]);
  }

  get totals(): string {
    return describe([...this.#cells.values()].flatMap((row) => [...row.values()].flat()));
  }

  /** Returns the outcomes of one action, undisturbed and for each fault, in one line. */
  describeRow(action: string): string {
    const row = this.#cells.get(action);
    return COLUMNS.map((column) => `${column}: ${describe(row?.get(column) ?? [])}`).join(' · ');
  }

  toText(): string {
    const rows = [...this.#cells].map(([action, row]) => [
      action,
      ...COLUMNS.map((column) => describe(row.get(column) ?? [])),
    ]);
    const table = [['action', ...COLUMNS], ...rows];
    const widths = table[0]?.map((_unused, index) => Math.max(...table.map((row) => row[index]?.length ?? 0))) ?? [];
    const lines = table.map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    );
    return [...lines, '', `all: ${this.totals}`].join('\n');
  }
}

/** Returns a text such as `2 complete, 1 failed`. */
function describe(verdicts: readonly Verdict[]): string {
  const counts = VERDICTS.map((verdict) => [verdict, verdicts.filter((one) => one === verdict).length] as const);
  return counts
    .filter(([, count]) => count > 0)
    .map(([verdict, count]) => `${count} ${verdict}`)
    .join(', ');
}
