/**
 * Tables whose rows are kept by key. Each column says how its cell is made once and then set again and again. On a narrow page the
 * stylesheet turns rows into cards; the roles are spelled out since `display` would take them away.
 */
import {
  badge,
  element,
  foreignText,
  makeKeyedList,
  setAttribute,
  setBadge,
  setForeignText,
  setText,
  setTime,
} from './dom.js';
import { toShortId } from './format.js';

/**
 * @typedef {object} Column
 * @property {string} label
 * @property {string} [className] of the cell
 * @property {() => Node} make
 * @property {(node: Node, row: object) => void} set
 */

/** @param {{ caption: string, columns: Column[], keyOf: (row: object) => string }} options */
export function makeTable(host, { caption, columns, keyOf }) {
  const heads = columns.map(({ label, className }) =>
    element('th', { scope: 'col', role: 'columnheader', class: className }, label),
  );
  const body = element('tbody', { role: 'rowgroup' });
  const table = element(
    'table',
    { role: 'table' },
    element('caption', {}, caption),
    element('thead', { role: 'rowgroup' }, element('tr', { role: 'row' }, ...heads)),
    body,
  );
  table.hidden = true;
  host.append(table);
  const list = makeKeyedList(body, keyOf, () => makeRow(columns));
  return (rows) => {
    table.hidden = rows.length === 0;
    list(rows);
  };
}

function makeRow(columns) {
  const node = element('tr', { role: 'row' });
  const parts = columns.map(({ label, className, isHead, make, set }) => {
    const content = make();
    const attributes = { 'data-label': label, class: className };
    node.append(
      isHead
        ? element('th', { ...attributes, scope: 'row', role: 'rowheader' }, content)
        : element('td', { ...attributes, role: 'cell' }, content),
    );
    return (row) => set(content, row);
  });
  return {
    node,
    update: (row) => {
      for (const part of parts) part(row);
    },
  };
}

/** Text of our own making, such as numbers. */
export const textColumn = (label, text, options) => ({
  label,
  make: () => element('span'),
  set: (node, row) => setText(node, text(row)),
  ...options,
});

/** Text that may be anything. */
export const foreignColumn = (label, text, { textClass, ...options } = {}) => ({
  label,
  make: () => foreignText(textClass),
  set: (node, row) => setForeignText(node, text(row) ?? '–'),
  ...options,
});

export const timeColumn = (label, at, options) => ({
  label,
  make: () => element('time'),
  set: (node, row) => setTime(node, at(row), options),
  className: 'when',
});

export const badgeColumn = (label, status, word) => ({
  label,
  make: badge,
  set: (node, row) => setBadge(node, status(row), word === undefined ? {} : { word: word(row) }),
});

/** A run's id, leading to all that the monitor knows of it. */
export const runColumn = (label, id) => ({
  label,
  make: runLink,
  set: (node, row) => setRunLink(node, id(row)),
});

export const runLink = () => element('a', { class: 'id' });

export function setRunLink(node, id) {
  setText(node, id === null ? '–' : toShortId(id));
  setAttribute(node, 'href', id === null ? undefined : `/runs/${encodeURIComponent(id)}`);
  setAttribute(node, 'title', id === null ? undefined : `Run ${id}`);
}

/** Buttons and the like: `make` gets a function that gives the row as it is by then. */
export const controlColumn = (label, make, set = () => {}) => ({
  label,
  className: 'control',
  make: () => {
    const holder = element('span', { class: 'controls' });
    holder.append(make(() => holder.row));
    return holder;
  },
  set: (holder, row) => {
    holder.row = row;
    set(holder.firstElementChild, row);
  },
});
