/** The list of events, the newest first, with at most {@link CAPACITY} events. */
import { redraw } from './drawing.js';
import { toClockTime, toCountText, toFullTime, toWords } from './format.js';
import { html, nothing, repeat } from './lit.js';
import { badge, foreign } from './parts.js';

/** @import { Event } from './api.js' */
/** @import { Tone } from './parts.js' */
/** @typedef {Event & { key: string }} KeyedEvent */

const CAPACITY = 200;

/** @type {Record<string, Tone>} */
const TONES = {
  session_starting: 'info',
  session_started: 'good',
  session_dead: 'bad',
  session_timeout: 'bad',
  session_expired: 'warn',
  run_started: 'info',
  run_resumed: 'info',
  run_cancel_requested: 'warn',
};
/** @type {Record<string, Tone>} */
const RUN_ENDED_TONES = { completed: 'good', partial: 'warn', cancelled: 'quiet' };

const seen = new Set();
/** @type {KeyedEvent[]} */
let events = [];
let number = 0;
let filter = '';

/**
 * Adds an event. Returns whether it was new.
 * @param {Event} event
 * @param {string} id
 */
export function addToFeed(event, id) {
  if (id !== '' && seen.has(id)) return false;
  seen.add(id);
  // After a reconnection, older events may arrive after newer ones.
  const position = events.findIndex(({ timestamp }) => timestamp <= event.timestamp);
  events.splice(position === -1 ? events.length : position, 0, { ...event, key: id || `unnamed-${++number}` });
  for (const { key } of events.slice(CAPACITY)) seen.delete(key);
  events = events.slice(0, CAPACITY);
  redraw();
  return true;
}

export function feed() {
  const wanted = filter.trim().toLowerCase();
  const shown = events.filter(({ owner }) => (owner ?? '').toLowerCase().includes(wanted));
  const none =
    events.length === 0
      ? 'There are no events yet. An event appears here when a session or run begins, ends or dies.'
      : `No event of an owner with “${filter.trim()}”.`;
  const onInput = (/** @type {InputEvent} */ { currentTarget }) => {
    filter = /** @type {HTMLInputElement} */ (currentTarget).value;
    redraw();
  };
  return html`<aside class="panel feed" id="events" aria-labelledby="events-title">
    <header class="panel-head">
      <h2 id="events-title" tabindex="-1">Events</h2>
      <p class="note">
        ${shown.length < events.length ? `${shown.length} of ${events.length}` : toCountText(events.length, 'event')}
      </p>
    </header>
    <label class="field">
      Filter by owner
      <input type="search" id="owner-filter" autocomplete="off" spellcheck="false" .value=${filter} @input=${onInput} />
    </label>
    <div class="scroll feed-scroll" role="group" aria-label="Events">
      ${shown.length === 0 ? html`<p class="empty">${none}</p>` : eventList(shown)}
    </div>
  </aside>`;
}

/** @param {readonly KeyedEvent[]} shown */
export const eventList = (shown) =>
  html`<ol class="events">
    ${repeat(shown, ({ key }) => key, item)}
  </ol>`;

/** @param {Event} event */
function item(event) {
  const { type, owner, status, message, timestamp } = event;
  const details = [status === null ? null : toWords(status), message].filter((text) => text !== null).join(': ');
  const tone = type === 'run_ended' ? (RUN_ENDED_TONES[status ?? ''] ?? 'bad') : (TONES[type] ?? 'quiet');
  return html`<li class="event">
    <div class="event-head">
      ${badge(type, { tone })}
      <time datetime=${timestamp} title=${toFullTime(timestamp)}>${toClockTime(timestamp)}</time>
    </div>
    ${owner === null ? nothing : foreign(owner, 'cut event-owner')}
    ${details === '' ? nothing : foreign(details, 'event-message clamp')}
  </li>`;
}
