/**
 * The dashboard: asks, listens, and draws what is known. While the registry is down only `/health` is asked; what was known stays on the
 * page, marked as stale with the reason.
 */
import { drawStatistics, drawTimeline, numbersSection } from './charts.js';
import { onChange } from './dialog.js';
import { byId, drawBy, redraw } from './drawing.js';
import { addToFeed, feed } from './feed.js';
import { clock, toClockTime, toCountText } from './format.js';
import { html, render } from './lit.js';
import { openLive } from './live.js';
import { alertsSection, deathsSection, footer, header, statusSection, tiles, toFavicon } from './overview.js';
import { poll } from './polling.js';
import { openRaw } from './raw-links.js';
import { isPending, isWorkedOn, runningSection, runsTable } from './runs.js';
import { section } from './parts.js';
import { sessionsSection, stuckSection } from './sessions.js';
import { isSigningIn, watchSignIn } from './sign-in.js';

/** @import { Answer, ApiError, Event, Run, Session } from './api.js' */
/** @typedef {'healthAnswer' | 'alerts' | 'stuckSessions' | 'sessions' | 'runs' | 'timeline' | 'statistics'} Name */

const UNAVAILABLE = 503;

/**
 * The last answers.
 * @type {{ [One in Name]?: Answer<One> }}
 */
const known = {};
/**
 * The runs of the stream; null while there is no stream.
 * @type {Run[] | null}
 */
let active = null;
/** @type {Partial<Record<Name, number>>} */
const learnedAt = {};
/** @type {Partial<Record<Name, ApiError>>} */
const failures = {};
const connection = { state: 'idle', since: clock.now() };
let minutes = 60;
let title = '';

const resources = {
  healthAnswer: ask('healthAnswer', {
    path: () => '/health',
    everyMs: 10_000,
    accepts: [UNAVAILABLE],
    mayAsk: () => true,
  }),
  alerts: ask('alerts', { path: () => '/alerts', everyMs: 15_000 }),
  stuckSessions: ask('stuckSessions', { path: () => '/health/sessions/stuck', everyMs: 20_000 }),
  sessions: ask('sessions', { path: () => '/sessions?status=live&limit=200', everyMs: 15_000 }),
  runs: ask('runs', { path: () => '/runs?limit=50', everyMs: 20_000 }),
  timeline: ask('timeline', { path: () => `/timeline?minutes=${minutes}`, everyMs: 30_000, minGapMs: 10_000 }),
  statistics: ask('statistics', { path: () => '/statistics', everyMs: 30_000, minGapMs: 10_000 }),
};

/** @type {{ [One in Name]?: (answer: Answer<One>) => void }} */
const onAnswer = {
  healthAnswer: ({ timestamp }) => clock.adjust(timestamp),
  runs: () => {
    if (connection.state !== 'live') active = null;
  },
  timeline: drawTimeline,
  statistics: drawStatistics,
};

/**
 * @template {Name} One
 * @param {One} name
 * @param {Omit<import('./polling.js').PollOptions<Answer<One>>, 'onData' | 'onError'>} options
 */
function ask(name, options) {
  return poll({
    mayAsk: () => outage() === null,
    ...options,
    /** @param {Answer<One>} answer */
    onData(answer) {
      const wasOut = name === 'healthAnswer' && outage() !== null;
      Object.assign(known, { [name]: answer });
      learnedAt[name] = clock.now();
      delete failures[name];
      onAnswer[name]?.(answer);
      redraw();
      if (wasOut && outage() === null) start();
    },
    onError(error) {
      failures[name] = error;
      if (error.status === UNAVAILABLE && name !== 'healthAnswer') resources.healthAnswer.askSoon();
      redraw();
    },
  });
}

/** The registry answers, again or for the first time. */
function start() {
  askAll();
  if (connection.state === 'idle') listen();
}

function askAll() {
  for (const resource of Object.values(resources)) resource.askNow();
}

/** Returns why nothing but the health can be known, or null. */
function outage() {
  if (failures.healthAnswer !== undefined) return failures.healthAnswer.message;
  if (known.healthAnswer === undefined) return 'Waiting for the first answer.';
  const { ok, message } = known.healthAnswer.registry;
  return ok ? null : `The registry doesn’t answer: ${message ?? 'no reason given'}`;
}

/**
 * Returns why the facts are not up to date, or null.
 * @param {Name} name
 */
function staleness(name) {
  const isWaiting = known.healthAnswer === undefined && failures.healthAnswer === undefined;
  const reason = failures[name]?.message ?? (isWaiting ? null : outage());
  if (reason === null) return null;
  const at = learnedAt[name];
  return at === undefined ? `Not known yet: ${reason}` : `Stale, as of ${toClockTime(at)}: ${reason}`;
}

function verdict() {
  const health = known.healthAnswer;
  const reason = outage();
  if (health === undefined && failures.healthAnswer === undefined)
    return { status: 'Loading…', reasons: ['Asking the monitor…'], health };
  const isUnknown = health === undefined || failures.healthAnswer !== undefined;
  const reasons = isUnknown ? [] : [...health.reasons];
  if (reason !== null && reasons.length === 0) reasons.push(reason);
  const { healthAnswer: _health, ...others } = learnedAt;
  const latest = Math.max(...Object.values(others));
  if (reason !== null && Number.isFinite(latest)) reasons.push(`What you see is as of ${toClockTime(latest)}.`);
  if (reasons.length === 0) reasons.push('Everything that was looked at is well.');
  // An alert may be known before the next health.
  const severities = (known.alerts?.alerts ?? []).map(({ severity }) => severity);
  const status = ['critical', 'warning'].find((one) => one === health?.status || severities.some((is) => is === one));
  return { status: isUnknown ? 'unknown' : (status ?? health.status), reasons, health };
}

drawBy(() => {
  const { status, reasons, health } = verdict();
  const isUnanswered = failures.healthAnswer?.status === 0 && connection.state === 'live';
  render(
    html`
      <a class="skip" href="#main">Skip to what is going on</a>
      ${header({
        status,
        connection: { ...connection, ...(isUnanswered && { state: 'unanswered' }) },
        checkedAt: health?.timestamp,
      })}
      <main id="main" tabindex="-1">
        ${statusSection({ status, reasons, health })} ${drawTiles()}
        ${alertsSection(known.alerts, { stale: staleness('alerts') })}
        <div class="columns">
          <div class="primary">
            ${runningSection(workedOn(), { stale: staleness('runs'), thresholds: health?.thresholds })}
            ${stuckSection(known.stuckSessions, { stale: staleness('stuckSessions') })}
            ${sessionsSection(known.sessions, { stale: staleness('sessions'), deathsOf })}
            ${deathsSection(known.timeline, { stale: staleness('timeline'), minutes, onMinutes })}
            ${numbersSection(known.statistics, { stale: staleness('statistics') })}
          </div>
          ${feed()}
        </div>
        ${section(
          { id: 'recent', title: 'Finished runs', stale: staleness('runs') },
          runsTable(
            (known.runs?.runs ?? []).filter((run) => !isPending(run) && !isWorkedOn(run)),
            known.runs === undefined ? '' : html`No run has finished yet. A first one: <code>npm start</code>`,
          ),
        )}
      </main>
      ${footer(openRaw)}
    `,
    byId('page', HTMLElement),
  );
  const alerts = known.alerts?.alerts.length ?? 0;
  const nextTitle = [status, ...(alerts > 0 ? [toCountText(alerts, 'alert')] : []), 'webdriver-supervisor'].join(' · ');
  if (nextTitle === title) return;
  title = nextTitle;
  document.title = title;
  byId('favicon', HTMLLinkElement).href = toFavicon(status);
});

function workedOn() {
  if (active === null && known.runs === undefined) return undefined;
  const listed = known.runs?.runs ?? [];
  const working = active ?? listed.filter(isWorkedOn);
  const ids = new Set(working.map(({ id }) => id));
  return [...working, ...listed.filter((run) => isPending(run) && !ids.has(run.id))];
}

/**
 * The deaths of a session's run; of its owner if the run is not known.
 * @param {Session} session
 */
function deathsOf({ run_id: runId, owner }) {
  const run = [...(active ?? []), ...(known.runs?.runs ?? [])].find(({ id }) => id === runId);
  return run?.deaths ?? (known.timeline?.deaths ?? []).filter((death) => death.owner === owner);
}

function drawTiles() {
  const alerts = known.alerts?.alerts;
  const isCritical = alerts?.some(({ severity }) => severity === 'critical') ?? false;
  const running = active ?? known.runs?.runs.filter(isWorkedOn);
  return tiles([
    { href: '#alerts', number: alerts?.length, text: 'alerts', tone: isCritical ? 'bad' : 'warn' },
    { href: '#stuck', number: known.stuckSessions?.count, text: 'stuck', tone: 'bad' },
    {
      href: '#running',
      number: known.healthAnswer?.sessions?.long_running_sessions,
      text: 'without progress',
      tone: 'warn',
    },
    { href: '#running', number: running?.length, text: 'running' },
    { href: '#sessions', number: known.sessions?.sessions.length, text: 'live sessions' },
    { href: '#deaths', number: known.timeline?.deaths.length, text: `deaths in ${minutes / 60} h`, tone: 'warn' },
  ]);
}

function listen() {
  const openedAt = clock.now();
  openLive({
    mayRetry: () => outage() === null && !isSigningIn(),
    onState(state) {
      if (connection.state !== state) Object.assign(connection, { state, since: clock.now() });
      redraw();
    },
    onEvent(event, id) {
      const isNew = addToFeed(event, id);
      // What happened before was known when the page opened.
      if (isNew && Date.parse(event.timestamp) > openedAt) askAfter(event);
    },
    onProgress(runs) {
      const toIds = (/** @type {readonly Run[]} */ list) => list.map(({ id }) => id).join();
      const isOther = active === null || toIds(runs) !== toIds(active);
      active = runs;
      redraw();
      if (isOther) resources.runs.askSoon();
    },
  });
}

/** @param {Event} event */
function askAfter({ type }) {
  const { runs, sessions, ...others } = resources;
  for (const resource of [type.startsWith('run_') ? runs : sessions, ...Object.values(others)]) resource.askSoon();
}

/** @param {number} chosen */
function onMinutes(chosen) {
  minutes = chosen;
  resources.timeline.askNow();
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  redraw();
  askAll();
});
// Spans until now grow.
setInterval(() => {
  if (!document.hidden) redraw();
}, 1_000);

onChange(askAll);
watchSignIn();
resources.healthAnswer.askNow();
