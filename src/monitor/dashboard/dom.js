/**
 * Making and changing nodes. Whatever the server says becomes text, never markup; what is on the page already is changed in place, so
 * that focus, scrolling and opened details survive every update.
 */
import { toAgoText, toDurationText, clock, toFullTime, toWords } from './format.js';

const SVG = 'http://www.w3.org/2000/svg';

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

/** @returns {'good' | 'info' | 'warn' | 'bad' | 'quiet'} */
export const toTone = (status) => TONES[status] ?? 'quiet';

export const byId = (id) => document.getElementById(id);

/** An element with attributes (`class`, `data-x`, …; undefined and false leave one out) and children (nodes or text). */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  node.append(...children);
  return node;
}

export function button(text, onClick, attributes = {}) {
  const node = element('button', { type: 'button', class: 'button', ...attributes }, text);
  node.addEventListener('click', onClick);
  return node;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#icon-${name}`);
  svg.append(use);
  return svg;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (value === undefined || value === null || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value === true ? '' : value);
}

/** Text of somebody else's: isolated from its surroundings' direction, cut by CSS, whole in its title. */
export function setForeignText(node, text) {
  setText(node, text ?? '');
  setAttribute(node, 'title', text || undefined);
}

export const foreignText = (className = 'cut') => element('bdi', { class: className, dir: 'auto' });

/** Icon, word and colour together. */
export function setBadge(node, status, { tone = toTone(status), word = toWords(status) } = {}) {
  if (node.dataset.status === status && node.dataset.tone === tone) return;
  node.dataset.status = status;
  node.dataset.tone = tone;
  node.replaceChildren(icon(tone), word);
}

export const badge = () => element('span', { class: 'badge' });

/** A moment that goes on being told relative to now, by `tickTimes`; `as` says how: "3 s ago", or "3 s". */
export function setTime(node, at, { as = 'ago', none = '–' } = {}) {
  setAttribute(node, 'datetime', at ?? undefined);
  setAttribute(node, 'title', at ? toFullTime(at) : undefined);
  setAttribute(node, 'data-as', at ? as : undefined);
  setText(node, at ? tell(at, as) : none);
}

/** Makes every relative time on the page true again. */
export function tickTimes() {
  for (const node of document.querySelectorAll('time[data-as]')) setText(node, tell(node.dateTime, node.dataset.as));
}

/**
 * Makes the children of `container` those of `items`, in their order, one node per key. Nodes are kept, not made anew.
 * @param {(item: object) => string} keyOf
 * @param {() => { node: Element, update(item: object): void }} make
 */
export function makeKeyedList(container, keyOf, make) {
  let parts = new Map();
  container.replaceChildren();
  return (items) => {
    const focused = container.contains(document.activeElement) ? document.activeElement : null;
    const next = new Map(items.map((item) => [keyOf(item), item]));
    for (const [key, part] of parts) if (!next.has(key)) part.node.remove();

    const kept = new Map();
    let place = container.firstChild;
    for (const [key, item] of next) {
      const part = parts.get(key) ?? make();
      part.update(item);
      kept.set(key, part);
      if (part.node === place) place = place.nextSibling;
      else container.insertBefore(part.node, place);
    }
    parts = kept;
    if (focused !== null && document.activeElement !== focused) restoreFocus(focused, container);
  };
}

/** A container that scrolls is reached by keyboard; one that doesn't is no tab stop. */
export function watchScrollers() {
  const check = (node) => {
    const isScrolling = node.scrollHeight > node.clientHeight + 1 || node.scrollWidth > node.clientWidth + 1;
    setAttribute(node, 'tabindex', isScrolling ? '0' : undefined);
  };
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) check(target.classList.contains('scroll') ? target : target.parentElement);
  });
  for (const node of document.querySelectorAll('.scroll')) {
    observer.observe(node);
    for (const child of node.children) observer.observe(child);
  }
}

/** A node that was moved takes its focus along; where it is gone, the reader stays in the section, at its heading. */
function restoreFocus(focused, container) {
  const target = focused.isConnected ? focused : container.closest('section, aside')?.querySelector('h2');
  target?.focus({ preventScroll: true });
}

function tell(at, as) {
  return as === 'ago' ? toAgoText(at) : toDurationText(clock.now() - Date.parse(at));
}
