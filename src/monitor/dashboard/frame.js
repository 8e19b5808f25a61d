/** The frame of every page: the header with the verdict, and the footer. */
import { toClockTime } from './format.js';
import { html, nothing } from './lit.js';
import { badge, icon, time, toTone } from './parts.js';
import { route } from './route.js';

/** @import { Tone } from './parts.js' */

const PAGES = [
  { href: '#/', page: 'overview', text: 'Overview' },
  { href: '#/runs', page: 'runs', text: 'Runs' },
  { href: '#/sessions', page: 'sessions', text: 'Sessions' },
];

/**
 * @param {{ status: string, connection: { state: string, since: number }, checkedAt: string | undefined }} state
 */
export function header({ status, connection: { state, since }, checkedAt }) {
  const text =
    { live: 'live', idle: 'not connected', unanswered: 'no answers' }[state] ??
    `reconnecting since ${toClockTime(since)}`;
  const tone = state === 'live' ? 'good' : state === 'idle' ? 'quiet' : 'warn';
  // The hash of the address selects the page, so this link must not change the hash.
  const skip = (/** @type {MouseEvent} */ event) => {
    event.preventDefault();
    document.getElementById('main')?.focus();
  };
  return html`<a class="skip" href="#main" @click=${skip}>Skip to what is going on</a>
    <header class="top">
      <h1>webdriver-supervisor</h1>
      <p class="top-status" id="status" role="status">${badge(status, { size: 'badge-big' })}</p>
      <nav class="pages" aria-label="Pages">
        ${PAGES.map(
          ({ href, page, text: name }) =>
            html`<a href=${href} aria-current=${page === route.page ? 'page' : nothing}>${name}</a>`,
        )}
      </nav>
      <p class="connection" id="connection" data-tone=${tone}>${icon(state === 'live' ? 'live' : 'lost')}${text}</p>
      <p class="checked">checked ${time(checkedAt, { none: 'not yet' })}</p>
    </header>`;
}

const LINKS = ['/health', '/sessions', '/runs', '/statistics', '/metrics'];

/** @param {(event: MouseEvent) => Promise<void>} onOpen */
export function footer(onOpen) {
  const links = route.page === 'run' ? [`/runs/${encodeURIComponent(route.id)}`, ...LINKS] : LINKS;
  return html`<footer class="foot">
    <p>The same as data: ${links.map((path) => html`<a href=${path} @click=${onOpen}>${path}</a> `)}</p>
  </footer>`;
}

/** @type {Record<Tone, readonly [colour: string, shape: string]>} */
const FAVICONS = {
  good: ['#1f9d5b', '<circle cx="8" cy="8" r="7"/>'],
  warn: ['#e0a100', '<path d="M8 1 15.5 15H.5z"/>'],
  bad: ['#d92d3a', '<path d="M4.7.5h6.6l4.2 4.2v6.6l-4.2 4.2H4.7L.5 11.3V4.7z"/>'],
  info: ['#2050b8', '<circle cx="8" cy="8" r="7"/>'],
  quiet: ['#7b8694', '<circle cx="8" cy="8" r="5" opacity=".6"/>'],
};

/** @param {string} status */
export function toFavicon(status) {
  const [colour, shape] = FAVICONS[toTone(status)];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="${colour}">${shape}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
