/** The overview: the status and its reasons, the monitors, the most important numbers, the alerts with the next command, and the deaths. */
import { deathsCard, numbersSection } from './charts.js';
import { redraw } from './drawing.js';
import { known, live, resources, staleness, verdict } from './facts.js';
import { feed } from './feed.js';
import { toCausesText, toCountText, toWhyText, toNumberText } from './format.js';
import { html, nothing, repeat } from './lit.js';
import { badge, copyButton, empty, foreign, runLink, section, table, time, toTone } from './parts.js';
import { toHref } from './route.js';
import { isPending, isWorkedOn, runningSection, runsTable } from './runs.js';
import { sessionsTable, stuckSection } from './sessions.js';

/** @import { Answer, Session } from './api.js' */
/** @import { Tone } from './parts.js' */
/** @typedef {Answer<'healthAnswer'>} Health */

export function overviewPage() {
  const { health } = known;
  return html`
    ${statusSection(verdict())} ${overviewTiles()} ${alertsSection(known.alerts, { stale: staleness('alerts') })}
    <div class="columns">
      <div class="primary">
        ${runningSection(activeRuns(), { stale: staleness('latest'), thresholds: health?.thresholds })}
        ${stuckSection(known.stuck, { stale: staleness('stuck') })} ${liveSection()}
        ${deathsSection(known.timeline, { stale: staleness('timeline') })}
        ${numbersSection(known.statistics, { stale: staleness('statistics') })}
      </div>
      ${feed()}
    </div>
    ${section(
      {
        id: 'recent',
        title: 'Finished runs',
        stale: staleness('latest'),
        control: html`<a href=${toHref('runs')}>All runs</a>`,
      },
      runsTable(
        (known.latest?.runs ?? []).filter((run) => !isPending(run) && !isWorkedOn(run)),
        known.latest === undefined ? 'Loading…' : html`No run has finished yet. A first one: <code>npm start</code>`,
      ),
    )}
  `;
}

/** Returns the runs in progress, and then the pending runs; undefined before the first answer. */
function activeRuns() {
  if (live.active === null && known.latest === undefined) return undefined;
  const listed = known.latest?.runs ?? [];
  const working = live.active ?? listed.filter(isWorkedOn);
  const ids = new Set(working.map(({ id }) => id));
  return [...working, ...listed.filter((run) => isPending(run) && !ids.has(run.id))];
}

function liveSection() {
  const answer = known.live;
  const control = html`<a href=${toHref('sessions')}>All sessions</a>`;
  const note = answer?.next ? `the first ${answer.sessions.length}` : '';
  const none = html`No browser session is alive; one starts with each run.`;
  return section(
    { id: 'sessions', title: 'Live sessions', stale: staleness('live'), note, control },
    sessionsTable(answer?.sessions ?? [], {
      caption: 'Live browser sessions',
      none: answer === undefined ? 'Loading…' : none,
      without: ['Session', 'Began'],
      toTrouble: (session) => toCausesText(deathsOf(session)) || 'none',
    }),
  );
}

/**
 * Returns the deaths of the run of a session; the deaths of its owner if the run is not known.
 * @param {Session} session
 */
function deathsOf({ run_id: runId, owner }) {
  const run = [...(live.active ?? []), ...(known.latest?.runs ?? [])].find(({ id }) => id === runId);
  return run?.deaths ?? (known.timeline?.deaths ?? []).filter((death) => death.owner === owner);
}

function overviewTiles() {
  const alerts = known.alerts?.alerts;
  const isCritical = alerts?.some(({ severity }) => severity === 'critical') ?? false;
  const running = live.active ?? known.latest?.runs.filter(isWorkedOn);
  return tiles([
    { href: '#alerts', number: alerts?.length, text: 'alerts', tone: isCritical ? 'bad' : 'warn' },
    { href: '#stuck', number: known.stuck?.count, text: 'stuck', tone: 'bad' },
    { href: '#running', number: known.health?.sessions?.long_running_sessions, text: 'without progress', tone: 'warn' },
    { href: '#running', number: running?.length, text: 'running' },
    { href: '#sessions', number: known.live?.sessions.length, text: 'live sessions' },
    { href: '#deaths', number: known.timeline?.deaths.length, text: `deaths in ${live.minutes / 60} h`, tone: 'warn' },
  ]);
}

/**
 * @param {{ status: string, reasons: readonly string[], health: Health | undefined }} verdict
 */
const statusSection = ({ status, reasons, health }) =>
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
 * Returns links to the sections, each with its most important number.
 * @param {readonly { href: string, number: number | undefined, text: string, tone?: Tone }[]} list
 */
const tiles = (list) =>
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
const alertsSection = (answer, { stale }) =>
  section(
    { id: 'alerts', title: 'Alerts firing now', stale },
    html`<div class="scroll" role="group" aria-label="Alerts firing now">
      <ul class="alerts">
        ${repeat((answer?.alerts ?? []).toSorted(worstFirst), ({ key }) => key, alertItem)}
      </ul>
    </div>`,
    answer?.alerts.length === 0 ? empty('No alert is firing.') : nothing,
  );

/** @param {Answer<'alert'>} alert */
const alertItem = ({ severity, message, rule, owner, run_id: runId, since, next }) =>
  html`<li class="alert" data-tone=${toTone(severity)}>
    ${badge(severity)}
    <div class="alert-body">
      <p class="alert-message clamp" dir="auto" title=${message}>${message}</p>
      <p class="meta">
        <span class="id">${rule}</span
        >${owner === null ? nothing : foreign(owner)}${runId === null ? nothing : runLink(runId)}<span
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
 * Returns the chart, and its deaths as a table with their messages.
 * @param {Answer<'timeline'> | undefined} timeline
 * @param {{ stale: string | null }} options
 */
function deathsSection(timeline, { stale }) {
  const deaths = (timeline?.deaths ?? []).toSorted((one, other) => Date.parse(other.at) - Date.parse(one.at));
  const isEmpty = timeline?.deaths.length === 0;
  deathsCard.canvas.hidden = isEmpty;
  const none = 'No session died in this time.';
  const onChange = (/** @type {Event} */ { currentTarget }) => {
    live.minutes = Number(/** @type {HTMLSelectElement} */ (currentTarget).value);
    resources.timeline.askNow();
    redraw();
  };
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
            (one) =>
              html`<option value=${one} ?selected=${one === live.minutes}>${toCountText(one / 60, 'hour')}</option>`,
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
            {
              label: 'Why',
              cell: ({ diagnosis }) => foreign(toWhyText(diagnosis) || 'unknown', 'clamp'),
              className: 'rest',
            },
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
