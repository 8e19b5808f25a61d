/** The parts that both reports consist of. All times in them are UTC. */
import { html, type Html, type HtmlValue } from '../../core/html.ts';
import { redactText } from '../../core/redact.ts';
import type { Diagnosis } from '../../model/death.ts';

const MAX_TEXT_LETTERS = 600;
const NUMBERS = new Intl.NumberFormat('en');

/** In a narrow window each row of a table is a list of its cells with their labels. */
export const PARTS_STYLE = `
.eyebrow { color: var(--muted); font-size: .85rem; margin: 0; }
.lead { font-size: 1.05rem; max-width: 60rem; }
.note { color: var(--muted); font-weight: 400; font-size: .85rem; margin-left: .5rem; }
.chip { display: inline-block; border-radius: 99px; padding: .05rem .6rem; font-size: .8rem; font-weight: 600; white-space: nowrap;
  background: var(--quiet-soft); color: var(--text); }
.chip.good { background: var(--good-soft); color: var(--good); }
.chip.bad { background: var(--bad-soft); color: var(--bad); }
.chip.warn { background: var(--warn-soft); color: var(--warn); }
.text { unicode-bidi: isolate; white-space: pre-line; }
.command { background: var(--quiet-soft); border-radius: 6px; margin: .5rem 0 0; padding: .5rem .75rem; white-space: pre-wrap; }
.tiles { display: grid; gap: 1px; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); margin: 1rem 0 0; overflow: hidden;
  background: var(--line); border: 1px solid var(--line); border-radius: 8px; }
.tiles div { background: var(--surface); padding: .6rem 1rem .7rem; }
dt { color: var(--muted); font-size: .85rem; }
dd { margin: 0; }
.tiles dd { font-size: 1.3rem; font-weight: 600; font-variant-numeric: tabular-nums; line-height: 1.3; }
.tiles dd small { display: block; color: var(--muted); font-size: .8rem; font-weight: 400; }
.facts { display: grid; gap: .15rem 1rem; grid-template-columns: minmax(6rem, max-content) 1fr; margin: .5rem 0 0; }
.facts dt { font-size: inherit; }
ul { margin: .35rem 0; padding-left: 1.2rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
caption { color: var(--muted); font-size: .85rem; padding: 0 0 .4rem; text-align: left; }
th, td { border-top: 1px solid var(--line); padding: .35rem .75rem .35rem 0; text-align: left; vertical-align: top; unicode-bidi: isolate; }
thead th { border: 0; color: var(--muted); font-size: .8rem; font-weight: 500; white-space: nowrap; }
tbody th { font-weight: 500; }
h3 a { font-weight: 400; }
h4 { font-size: .9rem; margin: 1rem 0 .25rem; }
.number, .when { width: 1%; }
.number { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
.when { font-variant-numeric: tabular-nums; white-space: nowrap; }
.wide { width: 55%; }
.short { overflow-wrap: break-word; }
.short code { white-space: nowrap; }
details { margin: .5rem 0 0; }
summary { color: var(--accent); cursor: pointer; width: max-content; max-width: 100%; }
@media (max-width: 40rem) {
  .tiles { grid-template-columns: 1fr 1fr; }
  .tiles div:last-child:nth-child(odd) { grid-column: 1 / -1; }
  .facts { grid-template-columns: 1fr; gap: 0; }
  .facts dd { margin-bottom: .4rem; }
  table, tbody, tr, th, td, caption { display: block; width: auto; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr { border-top: 1px solid var(--line); padding: .4rem 0; }
  th, td { border: 0; padding: .05rem 0; text-align: left; }
  .wide { width: auto; }
  td[data-label]::before { color: var(--muted); content: attr(data-label) " "; font-size: .85em; margin-right: .35rem; }
}`;

export interface Column {
  readonly label: string;
  readonly kind?: 'number' | 'when' | 'short' | 'wide';
}

/** Returns a table whose first column names the rows, or a sentence if there are no rows. */
export function table(
  { caption, columns, none }: { readonly caption: string; readonly columns: readonly Column[]; readonly none: string },
  rows: readonly (readonly HtmlValue[])[],
): Html {
  if (rows.length === 0) return html`<p class="muted">${none}</p>`;
  const head = columns.map(({ label, kind = '' }) => html`<th scope="col" class="${kind}">${label}</th>`);
  const body = rows.map((cells) => {
    const [first, ...rest] = cells;
    const others = rest.map((cell, index) => {
      const { label = '', kind = '' } = columns[index + 1] ?? {};
      return html`<td class="${kind}" data-label="${label}">${cell}</td>`;
    });
    return html`<tr>
      <th scope="row" class="${columns[0]?.kind}">${first}</th>
      ${others}
    </tr> `;
  });
  return html`<table>
    <caption>
      ${caption}
    </caption>
    <thead>
      <tr>
        ${head}
      </tr>
    </thead>
    <tbody>
      ${body}
    </tbody>
  </table>`;
}

/** Returns a table whose rows after the first `shown` are folded. Programs that read the page find all of them. */
export function foldedTable(
  head: Parameters<typeof table>[0],
  { rows, shown }: { readonly rows: readonly (readonly HtmlValue[])[]; readonly shown: number },
): HtmlValue {
  const first = table(head, rows.slice(0, shown));
  if (rows.length <= shown) return first;
  const rest = table({ ...head, caption: `${head.caption}, continued` }, rows.slice(shown));
  return [
    first,
    html`<details>
      <summary>${rows.length - shown} more</summary>
      ${rest}
    </details>`,
  ];
}

export function section(
  title: string,
  { id, note, kind = '' }: { readonly id: string; readonly note?: string; readonly kind?: string },
  ...content: readonly HtmlValue[]
): Html {
  const aside = note === undefined || note === '' ? null : html`<span class="note">${note}</span>`;
  return html`<section id="${id}" class="${kind}">
    <h2>${title}${aside}</h2>
    ${content}
  </section> `;
}

/** Returns a list of names and values. Values that are null are left out. */
export function facts(pairs: readonly (readonly [string, HtmlValue])[]): Html {
  const rows = pairs.flatMap(([name, value]) =>
    value === null
      ? []
      : [
          html`<dt>${name}</dt>
            <dd>${value}</dd>`,
        ],
  );
  return html`<dl class="facts">${rows}</dl>`;
}

/** Returns a text from outside: without secrets, and not longer than a reader needs. */
export function foreign(text: string, maxLetters = MAX_TEXT_LETTERS): Html {
  return html`<span class="text">${cut(redactText(text), maxLetters)}</span>`;
}

export function code(text: string, maxLetters = MAX_TEXT_LETTERS): Html {
  return html`<code class="text">${cut(redactText(text), maxLetters)}</code>`;
}

/** Returns a text that is not longer than `maxLetters`. */
export function cut(text: string, maxLetters: number): string {
  return text.length > maxLetters ? `${text.slice(0, maxLetters)}…` : text;
}

/** `2026-11-20 18:15:30`. */
export function moment(at: string): Html {
  return html`<time datetime="${at}">${at.slice(0, 19).replace('T', ' ')}</time>`;
}

/** `18:15:30.123`. */
export function clockTime(at: string): Html {
  return html`<time datetime="${at}">${at.slice(11, 23)}</time>`;
}

/** Returns why a session died, the facts that show it, and the advice; nothing if there is no diagnosis. */
export function diagnosisPart({ reason, confidence, evidence, advice }: Diagnosis): HtmlValue {
  if (reason === 'unknown' && evidence.length === 0) return null;
  const sure = { certain: 'certain', likely: 'likely', none: '' }[confidence];
  const chip = sure === '' ? null : html` <span class="chip">${sure}</span>`;
  return html`<p>Diagnosis: <code>${reason}</code>${chip}</p>
    ${
      evidence.length === 0
        ? null
        : html`<ul>
            ${evidence.map((fact) => html`<li>${foreign(fact)}</li>`)}
          </ul>`
    }
    ${advice === null ? null : html`<p><strong>Advice:</strong> ${foreign(advice)}</p>`}`;
}

/** Returns a number with separated thousands. */
export function figure(number: number): string {
  return NUMBERS.format(number).replaceAll(',', '\u202F');
}
