/**
 * The dashboard: asks, listens, and hands what it learns to the views. While the registry is down only `/health` is asked; what was known
 * stays on the page, marked as stale with the reason.
 */
import { makeCharts } from './charts.js';
import { makeDeathsView } from './deaths.js';
import { makeDialog } from './dialog.js';
import { byId, icon, setAttribute, setText, setTime, tickTimes, watchScrollers } from './dom.js';
import { makeFeed } from './feed.js';
import { clock, toClockTime } from './format.js';
import { openLive } from './live.js';
import { makePolled } from './polling.js';
import { makeQuestions } from './questions.js';
import { isPending, isWorkedOn, makeRecentView, makeRunningView } from './runs.js';
import { watchRawLinks } from './raw-links.js';
import { isSigningIn, watchSignIn } from './sign-in.js';
import { makeSessionsView, makeStuckView } from './sessions.js';
import { makeAlertsView, makeFactsView, makeStatusView, makeTilesView } from './status.js';
import { makeCopy, makeToast } from './toast.js';

/** Section on the page → the resource that it shows. */
const SECTIONS = {
  alerts: 'alerts',
  running: 'runs',
  stuck: 'stuck',
  sessions: 'sessions',
  deaths: 'timeline',
  numbers: 'statistics',
  recent: 'runs',
};
const UNAVAILABLE = 503;

/** What was last learned, by resource; `active` are the runs of the stream, null while there is no stream. */
const known = { active: null };
/** Resource → when it was learned. */
const learnedAt = {};
/** Resource → the error of its last request. */
const failures = {};
const connection = { state: 'idle', since: clock.now() };
const minutes = byId('minutes');

const announce = makeToast();
const copy = makeCopy(announce);
const questions = makeQuestions(makeDialog({ announce, onDone: () => askAll() }));
const charts = makeCharts();
const addToFeed = makeFeed();
const show = {
  status: makeStatusView(),
  facts: makeFactsView(),
  tiles: makeTilesView(),
  alerts: makeAlertsView({ copy }),
  running: makeRunningView({ onCancel: (run) => questions.cancelRun(run) }),
  recent: makeRecentView({ copy }),
  sessions: makeSessionsView({ onEnd: (session) => questions.endSession(session) }),
  stuck: makeStuckView({ onReset: (stuck, options) => questions.resetStuck(stuck, options) }),
  deaths: makeDeathsView(),
};

const resources = {
  health: poll('health', { path: () => '/health', everyMs: 10_000, accepts: [UNAVAILABLE], mayAsk: () => true }),
  alerts: poll('alerts', { path: () => '/alerts', everyMs: 15_000 }),
  stuck: poll('stuck', { path: () => '/health/sessions/stuck', everyMs: 20_000 }),
  sessions: poll('sessions', { path: () => '/sessions?status=live&limit=200', everyMs: 15_000 }),
  runs: poll('runs', { path: () => '/runs?limit=50', everyMs: 20_000 }),
  timeline: poll('timeline', { path: () => `/timeline?minutes=${minutes.value}`, everyMs: 30_000, minGapMs: 10_000 }),
  statistics: poll('statistics', { path: () => '/statistics', everyMs: 30_000, minGapMs: 10_000 }),
};

const draw = {
  health() {
    const { health } = known;
    clock.adjust(health.timestamp);
    setTime(byId('checked'), health.timestamp);
    show.facts(health);
    drawRunning();
  },
  alerts: () => show.alerts(known.alerts.alerts),
  stuck: () => show.stuck(known.stuck),
  sessions: drawSessions,
  runs() {
    if (connection.state !== 'live') known.active = null;
    drawRunning();
    show.recent(known.runs.runs.filter((run) => !isPending(run) && !isWorkedOn(run)));
    drawSessions();
  },
  timeline() {
    show.deaths(known.timeline);
    charts.showTimeline(known.timeline);
    drawSessions();
  },
  statistics: () => charts.showStatistics(known.statistics),
};

function poll(name, options) {
  return makePolled({
    mayAsk: () => outage() === null,
    ...options,
    onData(data) {
      const wasOut = name === 'health' && (known.health === undefined || outage() !== null);
      known[name] = data;
      learnedAt[name] = clock.now();
      delete failures[name];
      draw[name]();
      drawVerdict();
      if (wasOut && outage() === null) start();
    },
    onError(error) {
      failures[name] = error;
      if (error.status === UNAVAILABLE && name !== 'health') resources.health.askSoon();
      drawVerdict();
    },
  });
}

/** What makes sense once the registry answers, again or for the first time. */
function start() {
  askAll();
  if (connection.state === 'idle') listen();
}

function askAll() {
  for (const resource of Object.values(resources)) resource.askNow();
}

/** Why nothing but the health can be known, or null. */
function outage() {
  if (failures.health !== undefined) return failures.health.message;
  if (known.health === undefined) return 'Waiting for the first answer.';
  const { registry } = known.health;
  return registry.ok ? null : `The registry doesn’t answer: ${registry.message ?? 'no reason given'}`;
}

function workedOn() {
  const listed = known.runs?.runs ?? [];
  const active = known.active ?? listed.filter(isWorkedOn);
  const ids = new Set(active.map(({ id }) => id));
  return [...active, ...listed.filter((run) => isPending(run) && !ids.has(run.id))];
}

function drawRunning() {
  if (known.active === null && known.runs === undefined) return;
  show.running(workedOn(), known.health?.thresholds);
}

function drawSessions() {
  if (known.sessions === undefined) return;
  const runs = new Map([...(known.runs?.runs ?? []), ...(known.active ?? [])].map((run) => [run.id, run]));
  const died = known.timeline?.deaths ?? [];
  show.sessions(known.sessions, ({ run_id: runId, owner }) => {
    return runs.get(runId)?.deaths ?? died.filter((death) => death.owner === owner);
  });
}

/** The header, the tiles, and what is stale: they depend on everything. */
function drawVerdict() {
  const reason = outage();
  const isWaiting = known.health === undefined && failures.health === undefined;
  if (!isWaiting) {
    const isUnknown = failures.health !== undefined;
    const reasons = isUnknown ? [] : [...known.health.reasons];
    if (reason !== null && reasons.length === 0) reasons.push(reason);
    if (reason !== null && latest() !== null) reasons.push(`What you see is as of ${toClockTime(latest())}.`);
    show.status({
      status: isUnknown ? 'unknown' : known.health.status,
      reasons: reasons.length > 0 ? reasons : ['Everything that was looked at is well.'],
      alerts: known.alerts?.alerts.length ?? 0,
    });
  }
  drawTiles();
  drawConnection();
  for (const [section, name] of Object.entries(SECTIONS)) {
    markStale(section, name, failures[name]?.message ?? (isWaiting ? null : reason));
  }
}

function latest() {
  const times = Object.entries(learnedAt).flatMap(([name, at]) => (name === 'health' ? [] : [at]));
  return times.length === 0 ? null : Math.max(...times);
}

function drawTiles() {
  const alerts = known.alerts?.alerts ?? null;
  const isCritical = alerts?.some(({ severity }) => severity === 'critical');
  const slow = known.health?.sessions?.long_running_sessions ?? null;
  const stuck = known.stuck?.count ?? null;
  const deaths = known.timeline?.deaths.length ?? null;
  const running = known.active ?? known.runs?.runs.filter(isWorkedOn) ?? null;
  const tile = (key, href, number, text, tone) => ({ key, href, number, text, tone });
  const toneAbove = (number, tone) => (number > 0 ? tone : 'quiet');
  show.tiles([
    tile('alerts', '#alerts', alerts?.length ?? null, 'alerts', toneAbove(alerts?.length, isCritical ? 'bad' : 'warn')),
    tile('stuck', '#stuck', stuck, 'stuck', toneAbove(stuck, 'bad')),
    tile('slow', '#running', slow, 'without progress', toneAbove(slow, 'warn')),
    tile('running', '#running', running?.length ?? null, 'running', 'quiet'),
    tile('sessions', '#sessions', known.sessions?.sessions.length ?? null, 'live sessions', 'quiet'),
    tile('deaths', '#deaths', deaths, `deaths in ${minutes.value / 60} h`, toneAbove(deaths, 'warn')),
  ]);
}

function drawConnection() {
  const node = byId('connection');
  const isUnreachable = failures.health?.status === 0;
  const state = isUnreachable && connection.state === 'live' ? 'unanswered' : connection.state;
  const since = toClockTime(connection.since);
  const text = {
    live: 'live',
    idle: 'not connected',
    unanswered: 'no answers',
    reconnecting: `reconnecting since ${since}`,
  }[state];
  setAttribute(node, 'data-tone', state === 'live' ? 'good' : state === 'idle' ? 'quiet' : 'warn');
  if (node.textContent !== text) node.replaceChildren(icon(state === 'live' ? 'live' : 'lost'), text);
}

function markStale(section, name, reason) {
  const host = byId(section);
  const note = host.querySelector('.stale');
  note.hidden = reason === null;
  setAttribute(host, 'data-stale', reason !== null);
  if (reason === null) return;
  const at = learnedAt[name];
  setText(note, at === undefined ? `Not known yet: ${reason}` : `Stale, as of ${toClockTime(at)}: ${reason}`);
  note.title = note.textContent;
}

function listen() {
  const openedAt = clock.now();
  openLive({
    mayRetry: () => outage() === null && !isSigningIn(),
    onState(state) {
      if (connection.state !== state) Object.assign(connection, { state, since: clock.now() });
      drawConnection();
    },
    onEvent(event, id) {
      const isNew = addToFeed(event, id);
      // What is only told again was known when the page opened.
      if (isNew && Date.parse(event.timestamp) > openedAt) askAfter(event);
    },
    onProgress(runs) {
      const ids = (list) => (list ?? []).map(({ id }) => id).join();
      const isOther = ids(runs) !== ids(known.active);
      known.active = runs;
      drawRunning();
      drawTiles();
      if (isOther) resources.runs.askSoon();
    },
  });
}

function askAfter({ type }) {
  const names = type.startsWith('run_') ? ['runs'] : ['sessions'];
  for (const name of [...names, 'stuck', 'timeline', 'statistics', 'alerts', 'health']) resources[name].askSoon();
}

minutes.addEventListener('change', () => resources.timeline.askNow());
document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  tickTimes();
  askAll();
});
setInterval(() => {
  if (!document.hidden) tickTimes();
}, 1_000);

watchSignIn();
watchRawLinks(announce);
watchScrollers();
resources.health.askNow();
