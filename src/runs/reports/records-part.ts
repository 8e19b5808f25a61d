/** The records of a run in its report: the files, and the first records of each dataset. */
import { html, type HtmlValue } from '../../core/html.ts';
import { count } from '../../core/describe-number.ts';
import { redactValue } from '../../core/redact.ts';
import { code, figure, foreign, section, table } from './parts.ts';
import type { DatasetSample } from './record-sample.ts';
import type { RunReport } from './report-facts.ts';

const MAX_COLUMNS = 6;
const MAX_CELL_LETTERS = 120;
const MAX_JSON_LETTERS = 600;
const MAX_FILES = 100;

export function recordsPart({ outcome, samples, links }: Pick<RunReport, 'outcome' | 'samples' | 'links'>): HtmlValue {
  const files = Object.entries(outcome.outputs);
  const numbers = new Map(samples.map(({ dataset, records }) => [dataset, records]));
  const more = files.length - MAX_FILES;
  return section(
    'Records and files',
    { id: 'records', note: count(outcome.records, 'record') },
    table(
      {
        caption: `The files of the run${more > 0 ? `, the first ${MAX_FILES} of ${files.length}` : ''}`,
        columns: [{ label: 'Dataset' }, { label: 'Records', kind: 'number' }, { label: 'File', kind: 'wide' }],
        none: outcome.records === 0 ? 'No record was saved, so no file was written.' : 'No file was written.',
      },
      files.slice(0, MAX_FILES).map(([dataset, file]) => {
        const link = links.get(dataset);
        const number = numbers.get(dataset);
        return [
          foreign(dataset, 100),
          number === undefined ? '–' : figure(number),
          link === undefined || link === null ? code(file) : html`<a href="${link}">${foreign(file)}</a>`,
        ];
      }),
    ),
    samples.map(samplePart),
  );
}

function samplePart({ dataset, records, first }: DatasetSample): HtmlValue {
  const rows = first.map(toFields);
  const names = [...new Set(rows.flatMap((row) => Object.keys(row ?? {})))];
  const caption = `The first ${first.length} of ${figure(records)}`;
  const title = html`<h3>${foreign(dataset, 100)}</h3>`;
  if (names.length === 0 || names.length > MAX_COLUMNS || rows.includes(undefined)) {
    const lines = first.map((json, index) => [
      String(index + 1),
      code(rows[index] === undefined ? json : JSON.stringify(rows[index]), MAX_JSON_LETTERS),
    ]);
    return [
      title,
      table(
        {
          caption,
          columns: [
            { label: 'Nr.', kind: 'when' },
            { label: 'Record', kind: 'wide' },
          ],
          none: '',
        },
        lines,
      ),
    ];
  }
  const columns = names.map((label) => ({ label: label.slice(0, MAX_CELL_LETTERS) }));
  const cells = rows.map((row) => names.map((name) => cell(row?.[name])));
  return [title, table({ caption, columns, none: '' }, cells)];
}

function cell(value: unknown): HtmlValue {
  if (value === undefined || value === null) return '–';
  return foreign(typeof value === 'string' ? value : JSON.stringify(value), MAX_CELL_LETTERS);
}

/** Returns the fields without secrets; undefined for a text that was cut. */
function toFields(json: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return redactValue(JSON.parse(json)) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
