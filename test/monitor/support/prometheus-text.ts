/** One value of a scrape. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** All samples of one metric. */
export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;
const NUMBER = /^(NaN|[+-]Inf|[+-]?\d+(\.\d+)?(e[+-]?\d+)?)$/;
const TYPES = ['gauge', 'counter', 'histogram'];

/**
 * Parses the text format 0.0.4 of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/) strictly: throws at the first
 * invalid line.
 */
export function parsePrometheusText(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith('\n')) throw new Error('The last line does not end with a line break.');
  const families = new Map<string, Family & { samples: Sample[] }>();
  const seen = new Set<string>();
  let help: { name: string; help: string } | undefined;
  let family: (Family & { samples: Sample[] }) | undefined;
  for (const line of text.split('\n').slice(0, -1)) {
    const fail = (problem: string): never => {
      throw new Error(`${problem}: ${line}`);
    };
    if (line === '') continue;
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (keyword === 'HELP') {
      if (families.has(name)) fail('The metric is repeated');
      help = { name, help: rest };
      family = undefined;
    } else if (keyword === 'TYPE') {
      if (help?.name !== name || !NAME.test(name) || !TYPES.includes(rest))
        fail('The type is unknown, or does not follow its help text');
      family = { name, type: rest, help: help?.help ?? '', samples: [] };
      families.set(name, family);
    } else if (family === undefined || line.startsWith('#')) fail('The line belongs to no metric');
    else {
      const [, sampleName = '', labelsText, value = ''] = SAMPLE.exec(line) ?? fail('The line is not a sample');
      const suffix = family.type === 'histogram' ? '_(bucket|sum|count)' : '';
      if (!new RegExp(`^${family.name}${suffix}$`).test(sampleName)) fail('The sample belongs to another metric');
      if (!NUMBER.test(value)) fail('The value is not a number');
      const labels = parseLabels(labelsText ?? '') ?? fail('The labels are invalid');
      const identity = `${sampleName} ${JSON.stringify(labels, Object.keys(labels).toSorted())}`;
      if (seen.has(identity)) fail('The sample is repeated');
      seen.add(identity);
      const number = Number(value.replace('Inf', 'Infinity'));
      if (family.type === 'counter' && !(number >= 0)) fail('The counter is negative');
      family.samples.push({ name: sampleName, labels, value: number });
    }
  }
  for (const one of families.values()) if (one.type === 'histogram') checkHistogram(one);
  return families;
}

function parseLabels(text: string): Record<string, string> | undefined {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  let end = 0;
  while (end < text.length) {
    const [whole, name, value] = LABEL.exec(text) ?? [];
    if (whole === undefined || name === undefined || value === undefined || name in labels) return undefined;
    labels[name] = value.replaceAll(/\\(.)/g, (_pair, character: string) => (character === 'n' ? '\n' : character));
    end += whole.length;
  }
  return labels;
}

/** Throws unless bounds and counts increase and the last bucket, `+Inf`, has the count of all values. */
function checkHistogram({ name, samples }: Family): void {
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
  const bounds = buckets.map(({ labels }) => Number(labels['le']?.replace('+Inf', 'Infinity')));
  const isSorted = (numbers: readonly number[]) =>
    numbers.every((number, index) => number >= (numbers[index - 1] ?? -1));
  const count = samples.find((sample) => sample.name === `${name}_count`)?.value;
  const isComplete = bounds.at(-1) === Infinity && buckets.at(-1)?.value === count && count !== undefined;
  if (!isComplete || !isSorted(bounds) || !isSorted(buckets.map(({ value }) => value)))
    throw new Error(`${name} is not a valid histogram: ${JSON.stringify(samples)}`);
}
