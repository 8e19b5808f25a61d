/** Numbers and lists as users read them. */

/** The order of the units of work in a sum. */
const UNIT_STATES = ['done', 'running', 'queued', 'failed', 'cancelled', 'skipped'] as const;

/** `1 record`, `2 records`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** `3 ended, 1 dead`, in the order of `order`; other names come last. Zeros are left out. */
export function describeNumbers(numbers: Readonly<Record<string, number>>, order: readonly string[] = []): string {
  const rank = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  return Object.entries(numbers)
    .filter(([, number]) => number > 0)
    .toSorted(([a], [b]) => rank(a) - rank(b))
    .map(([name, number]) => `${number} ${name}`)
    .join(', ');
}

/** `525 = 500 done + 25 queued`. */
export function describeUnits({
  total,
  ...units
}: { readonly total: number } & Readonly<Partial<Record<(typeof UNIT_STATES)[number], number>>>): string {
  if (total === 0) return 'none were begun';
  const parts = UNIT_STATES.map((state) => [state, units[state] ?? 0] as const);
  const shown = parts.filter(([state, number]) => number > 0 || state === 'done');
  return `${total} = ${shown.map(([state, number]) => `${number} ${state}`).join(' + ')}`;
}

/** `ann, bob and 3 more`: the first `max` words, and the number of the others. */
export function listSome(words: readonly string[], max: number): string {
  const more = words.length - max;
  return `${words.slice(0, max).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

export function sum(numbers: Readonly<Record<string, number>>): number {
  return Object.values(numbers).reduce((total, number) => total + number, 0);
}
