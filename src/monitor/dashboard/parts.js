/** The small parts that all views use. All content from the monitor is rendered as text, never as markup. */
import { toAgoText, toFullTime, toShortId, toSpanText, toWords } from './format.js';
import { html, nothing, repeat } from './lit.js';
import { toRunHref } from './route.js';
import { copy } from './toast.js';

/** @typedef {import('lit-html').TemplateResult} Template */
/** @typedef {Template | string | number | typeof nothing | null} Content */
/** @typedef {'good' | 'info' | 'warn' | 'bad' | 'quiet'} Tone */

/** @type {Record<string, Tone>} */
const TONES = {
  active: 'good',
  completed: 'good',
  done: 'good',
  healthy: 'good',
  starting: 'info',
  processing: 'info',
  partial: 'warn',
  warning: 'warn',
  dead: 'bad',
  timed_out: 'bad',
  failed: 'bad',
  halted: 'bad',
  critical: 'bad',
};

/** @param {string} status */
export const toTone = (status) => TONES[status] ?? 'quiet';

/** @param {string} name of a symbol in `index.html` */
export const icon = (name) => html`<svg class="icon" aria-hidden="true"><use href="#icon-${name}"></use></svg>`;

/**
 * Returns a badge with icon, word and colour.
 * @param {string} status
 * @param {{ tone?: Tone, word?: string, size?: 'badge-big' | '' }} [options]
 */
export const badge = (status, { tone = toTone(status), word = toWords(status), size = '' } = {}) =>
  html`<span class="badge ${size}" data-tone=${tone}>${icon(tone)}${word}</span>`;

/**
 * Returns text from pages and users. It does not change the text direction around it. CSS shortens it, and its title has the whole text.
 * @param {string | null | undefined} text
 */
export const foreign = (text, className = 'cut') =>
  html`<bdi class=${className} dir="auto" title=${text || nothing}>${text ?? '–'}</bdi>`;

/**
 * Returns a time relative to now.
 * @param {string | null | undefined} at
 * @param {{ as?: 'ago' | 'for', none?: string }} [options] "3 s ago", or "3 s"
 */
export const time = (at, { as = 'ago', none = '–' } = {}) =>
  at
    ? html`<time datetime=${at} title=${toFullTime(at)}>${as === 'ago' ? toAgoText(at) : toSpanText(at)}</time>`
    : html`<span>${none}</span>`;

/** @param {string | null} id */
export const runLink = (id) =>
  id === null ? html`<span>–</span>` : html`<a class="id" href=${toRunHref(id)} title="Run ${id}">${toShortId(id)}</a>`;

/**
 * @param {string} text
 * @param {() => void} onClick
 * @param {{ label?: string, title?: string, className?: string, isDisabled?: boolean }} [options]
 */
export const button = (text, onClick, { label, title, className = '', isDisabled = false } = {}) =>
  html`<button
    type="button"
    class="button ${className}"
    aria-label=${label ?? nothing}
    title=${title ?? nothing}
    ?disabled=${isDisabled}
    @click=${onClick}
  >
    ${text}
  </button>`;

/** @param {string} command */
export const copyButton = (command, label = `Copy the command ${command}`) =>
  button('Copy', () => void copy(command), { label, title: command });

/**
 * @typedef {object} SectionOptions
 * @property {string} id
 * @property {string} title
 * @property {string | null} [stale] why the section is not up to date
 * @property {string} [note]
 * @property {Content} [control] at the end of the heading's line
 * @property {Tone} [tone]
 */

/**
 * @param {SectionOptions} options
 * @param {...(Content | Element)} body
 */
export const section = ({ id, title, stale = null, note = '', control = nothing, tone }, ...body) =>
  html`<section
    id=${id}
    class="panel"
    aria-labelledby="${id}-title"
    ?data-stale=${stale !== null}
    data-tone=${tone ?? nothing}
  >
    <header class="panel-head">
      <h2 id="${id}-title" tabindex="-1">${title}</h2>
      <p class="note" ?hidden=${note === ''}>${note}</p>
      <p class="stale" title=${stale ?? nothing} ?hidden=${stale === null}>${stale}</p>
      ${control}
    </header>
    ${body}
  </section>`;

/** @param {Content} text */
export const empty = (text) => html`<p class="empty">${text}</p>`;

/**
 * @template Row
 * @typedef {object} Column
 * @property {string} label
 * @property {(row: Row) => Content} cell
 * @property {string} [className]
 * @property {boolean} [isHead] names the row
 */

/**
 * Returns a table. Rows with the same key stay the same elements. On a narrow page the stylesheet turns rows into cards; the
 * roles are spelled out because `display` would remove them.
 * @template Row
 * @param {{ caption: string, keyOf: (row: Row) => string, columns: readonly Column<Row>[], none: Content }} options
 * @param {readonly Row[]} rows
 */
export const table = ({ caption, keyOf, columns, none }, rows) =>
  rows.length === 0
    ? empty(none)
    : html`<div class="scroll" role="group" aria-label=${caption}>
        <table role="table">
          <caption>
            ${caption}
          </caption>
          <thead role="rowgroup">
            <tr role="row">
              ${columns.map(
                ({ label, className }) =>
                  html`<th scope="col" role="columnheader" class=${className ?? nothing}>${label}</th>`,
              )}
            </tr>
          </thead>
          <tbody role="rowgroup">
            ${repeat(
              rows,
              keyOf,
              (row) =>
                html`<tr role="row">
                  ${columns.map((column) => cell(column, row))}
                </tr>`,
            )}
          </tbody>
        </table>
      </div>`;

/**
 * @template Row
 * @param {Column<Row>} column
 * @param {Row} row
 */
const cell = ({ label, className, isHead, cell: content }, row) =>
  isHead
    ? html`<th scope="row" role="rowheader" class=${className ?? nothing}>${content(row)}</th>`
    : html`<td role="cell" data-label=${label} class=${className ?? nothing}>${content(row)}</td>`;
