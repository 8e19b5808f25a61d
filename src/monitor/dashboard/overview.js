/** How things stand: the verdict and why, who watches, the numbers that matter, the alerts with what to type next, the deaths. */
import { deathsCard } from './charts.js';
import { toClockTime, toCountText, toNumberText } from './format.js';
import { html, nothing, repeat } from './lit.js';
import { badge, copyButton, empty, foreign, icon, runLink, section, table, time, toTone } from './parts.js';

/** @import { Answer } from './api.js' */
/** @import { Tone } from './parts.js' */
/** @typedef {Answer<'healthAnswer'>} Health */

/**
 * @param {{ status: string, reasons: readonly string[], health: Health | undefined }} verdict
 */
export const statusSection = ({ status, reasons, health }) =>
  html`<section class="panel why" id="why" aria-labelledby="why-title" data-tone=${toTone(status)}>
    <div class="why-text">
      <h2 id="why-title" tabindex="-1">Status</h2>
      <ul class="reasons" id="reasons">
        ${[...new Set(reasons)].map((text) => html`<li class="clamp" dir="auto" title=${text}>${text}</li>`)}
      </ul>
    </div>
    ${health === undefined ? nothing : html`<dl class="facts" id="facts">${facts(health)}</dl>`}
  </section>`;

/** @param {Health} health */
const facts = ({ registry, leader, sweeper, cleanup, thresholds, sessions }) => [
  fact('Registry', foreign(registry.place), registry.ok ? 'good' : 'bad'),
  leader.is_leader
    ? fact('Leader', 'this monitor', 'good')
    : fact('Leader', foreign(leader.holder ?? 'none'), leader.holder === null ? 'warn' : 'quiet'),
  job('Sweeper', sweeper, ' (AUTO_TIMEOUT_ENABLED)'),
  job('Cleanup', cleanup),
  fact('Without progress', `warned after ${thresholds.warning_minutes} min, ended after ${thresholds.timeout_minutes}`),
  ...(sessions === null ? [] : [fact('On record', toCountText(sessions.total_sessions, 'session'))]),
];

/**
 * @param {string} label
 * @param {import('./parts.js').Content} text
 * @param {Tone} [tone]
 */
const fact = (label, text, tone) =>
  html`<div>
    <dt>${label}</dt>
    <dd data-tone=${tone ?? nothing}>${text}</dd>
  </div>`;

/**
 * @param {string} label
 * @param {{ enabled: boolean, last_at: string | null }} state
 */
const job = (label, { enabled, last_at: lastAt }, setting = '') =>
  enabled
    ? fact(label, time(lastAt, { none: 'not yet' }), lastAt === null ? 'quiet' : 'good')
    : fact(label, `switched off${setting}`, 'warn');

/**
 * Links to the sections, each with the number that matters there.
 * @param {readonly { href: string, number: number | undefined, text: string, tone?: Tone }[]} list
 */
export const tiles = (list) =>
  html`<nav class="tiles" aria-label="On this page" id="tiles">
    ${list.map(
      ({ href, number, text, tone = 'quiet' }) =>
        html`<a class="tile" href=${href} data-tone=${number ? tone : 'quiet'}
          ><strong>${number === undefined ? '–' : toNumberText(number)}</strong> <span>${text}</span></a
        >`,
    )}
  </nav>`;

/**
 * @param {Answer<'alerts'> | undefined} answer
 * @param {{ stale: string | null }} options
 */
export const alertsSection = (answer, { stale }) =>
  section(
    { id: 'alerts', title: 'Alerts firing now', stale },
    html`<ul class="alerts">
      ${repeat((answer?.alerts ?? []).toSorted(worstFirst), ({ key }) => key, alertItem)}
    </ul>`,
    answer?.alerts.length === 0 ? empty('No alert is firing.') : nothing,
  );

/** @param {Answer<'alert'>} alert */
const alertItem = ({ severity, message, rule, owner, since, next }) =>
  html`<li class="alert" data-tone=${toTone(severity)}>
    ${badge(severity)}
    <div class="alert-body">
      <p class="alert-message clamp" dir="auto" title=${message}>${message}</p>
      <p class="meta">
        <span class="id">${rule}</span>${owner === null ? nothing : foreign(owner)}<span
          >for ${time(since, { as: 'for' })}</span
        >
      </p>
      ${
        next === null
          ? nothing
          : html`<p class="next"><span>Next</span><code class="command">${next}</code>${copyButton(next)}</p>`
      }
    </div>
  </li>`;

/**
 * @param {Answer<'alert'>} one
 * @param {Answer<'alert'>} other
 */
const worstFirst = (one, other) =>
  Number(other.severity === 'critical') - Number(one.severity === 'critical') ||
  Date.parse(other.since) - Date.parse(one.since);

/**
 * The chart, and its deaths as a table with what each one said.
 * @param {Answer<'timeline'> | undefined} timeline
 * @param {{ stale: string | null, minutes: number, onMinutes: (minutes: number) => void }} options
 */
export function deathsSection(timeline, { stale, minutes, onMinutes }) {
  const deaths = (timeline?.deaths ?? []).toSorted((one, other) => Date.parse(other.at) - Date.parse(one.at));
  const isEmpty = timeline?.deaths.length === 0;
  deathsCard.canvas.hidden = isEmpty;
  const none = 'No session died in this time.';
  const onChange = (/** @type {Event} */ { currentTarget }) =>
    onMinutes(Number(/** @type {HTMLSelectElement} */ (currentTarget).value));
  return section(
    {
      id: 'deaths',
      title: 'Deaths',
      stale,
      note: timeline === undefined ? '' : toCountText(deaths.length, 'death'),
      control: html`<label class="field-inline">
        Looking back
        <select id="minutes" @change=${onChange}>
          ${[60, 360, 1440].map(
            (one) => html`<option value=${one} ?selected=${one === minutes}>${toCountText(one / 60, 'hour')}</option>`,
          )}
        </select>
      </label>`,
    },
    html`<div class="chart chart-wide">
      ${deathsCard.canvas}
      <p class="empty chart-empty" ?hidden=${!isEmpty}>${none}</p>
    </div>`,
    html`<details id="deaths-details">
      <summary>The deaths as a table</summary>
      ${table(
        {
          caption: 'Deaths, newest first',
          keyOf: (/** @type {Answer<'timeline'>['deaths'][number]} */ death) => `${death.at} ${death.session_id}`,
          none,
          columns: [
            { label: 'When', cell: ({ at }) => time(at), className: 'when' },
            { label: 'Cause', cell: ({ cause }) => foreign(cause), isHead: true },
            { label: 'Noticed by', cell: (death) => foreign(death.detected_by) },
            { label: 'Owner', cell: ({ owner }) => foreign(owner), className: 'narrow' },
            { label: 'Message', cell: ({ message }) => foreign(message, 'clamp'), className: 'rest' },
            { label: 'Run', cell: (death) => runLink(death.run_id) },
          ],
        },
        deaths,
      )}
    </details>`,
  );
}

const LINKS = ['/health', '/sessions', '/runs', '/statistics', '/metrics'];

/** @param {(event: MouseEvent) => Promise<void>} onOpen */
export const footer = (onOpen) =>
  html`<footer class="foot">
    <p>The same as data: ${LINKS.map((path) => html`<a href=${path} @click=${onOpen}>${path}</a> `)}</p>
  </footer>`;

/**
 * @param {{ status: string, connection: { state: string, since: number }, checkedAt: string | undefined }} state
 */
export function header({ status, connection: { state, since }, checkedAt }) {
  const text =
    { live: 'live', idle: 'not connected', unanswered: 'no answers' }[state] ??
    `reconnecting since ${toClockTime(since)}`;
  const tone = state === 'live' ? 'good' : state === 'idle' ? 'quiet' : 'warn';
  return html`<header class="top">
    <h1>webdriver-supervisor</h1>
    <p class="top-status" id="status" role="status">${badge(status, { size: 'badge-big' })}</p>
    <p class="connection" id="connection" data-tone=${tone}>${icon(state === 'live' ? 'live' : 'lost')}${text}</p>
    <p class="checked">checked ${time(checkedAt, { none: 'not yet' })}</p>
  </header>`;
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
