/** The entry point of the dashboard. It listens to the monitor, and draws the page of the address. */
import { openRaw } from './raw-links.js';
import { drawStatistics, drawTimeline } from './charts.js';
import { onChange } from './dialog.js';
import { byId, drawBy, redraw } from './drawing.js';
import { askAll, failures, known, live, onAnswer, onBack, outage, resources, verdict } from './facts.js';
import { addToFeed } from './feed.js';
import { clock, toCountText } from './format.js';
import { footer, header, toFavicon } from './frame.js';
import { html, render } from './lit.js';
import { runsPage, sessionsPage } from './list-pages.js';
import { openLive } from './live.js';
import { overviewPage } from './overview.js';
import { onRoute, route } from './route.js';
import { runPage } from './run-page.js';
import { isSigningIn, watchSignIn } from './sign-in.js';

/** @import { Event, Run } from './api.js' */

const connection = { state: 'idle', since: clock.now() };
const PAGES = { overview: overviewPage, run: runPage, runs: runsPage, sessions: sessionsPage };
let title = '';
let shownPage = toPageName();
/** True when another page is shown. The scroll position and the focus are then moved to its top. */
let isNewPage = false;

/** Returns the name of the page. Sections of the overview, filters of lists and failed steps of a run belong to their page. */
function toPageName() {
  const isList = route.page === 'runs' || route.page === 'sessions';
  return [route.page, route.id, isList ? route.query.get('after') : ''].join(' ');
}

drawBy(() => {
  const { status, health } = verdict();
  const isUnanswered = failures.health?.status === 0 && connection.state === 'live';
  render(
    html`
      ${header({
        status,
        connection: { ...connection, ...(isUnanswered && { state: 'unanswered' }) },
        checkedAt: health?.timestamp,
      })}
      <main id="main" tabindex="-1">${PAGES[route.page]()}</main>
      ${footer(openRaw)}
    `,
    byId('page', HTMLElement),
  );
  if (isNewPage) {
    isNewPage = false;
    scrollTo(0, 0);
    byId('main', HTMLElement).focus({ preventScroll: true });
  }
  const alerts = known.alerts?.alerts.length ?? 0;
  const nextTitle = [
    ...(route.page === 'overview' ? [] : [route.page === 'run' ? `run ${route.id}` : route.page]),
    status,
    ...(alerts > 0 ? [toCountText(alerts, 'alert')] : []),
    'webdriver-supervisor',
  ].join(' · ');
  if (nextTitle === title) return;
  title = nextTitle;
  document.title = title;
  byId('favicon', HTMLLinkElement).href = toFavicon(status);
});

function listen() {
  if (connection.state !== 'idle') return;
  const openedAt = clock.now();
  openLive({
    mayRetry: () => outage() === null && !isSigningIn(),
    onState(state) {
      if (connection.state !== state) Object.assign(connection, { state, since: clock.now() });
      redraw();
    },
    onEvent(event, id) {
      const isNew = addToFeed(event, id);
      // The answers that the page loaded when it opened already include earlier events.
      if (isNew && Date.parse(event.timestamp) > openedAt) askAfter(event);
    },
    onProgress(runs) {
      const toIds = (/** @type {readonly Run[]} */ list) => list.map(({ id }) => id).join();
      const isOther = live.active === null || toIds(runs) !== toIds(live.active);
      live.active = runs;
      redraw();
      if (isOther) resources.latest.askSoon();
    },
  });
}

/** @param {Event} event */
function askAfter({ type, run_id: runId }) {
  const {
    run,
    runSessions,
    steps,
    records,
    runEvents,
    runs,
    latest,
    sessions,
    live: liveSessions,
    ...others
  } = resources;
  const ofRun = runId === route.id ? [run, runSessions, steps, records, runEvents] : [];
  const lists = type.startsWith('run_') ? [runs, latest] : [sessions, liveSessions];
  for (const resource of [...ofRun, ...lists, ...Object.values(others)]) resource.askSoon();
}

onAnswer('timeline', drawTimeline);
onAnswer('statistics', drawStatistics);
onAnswer('latest', () => {
  if (connection.state !== 'live') live.active = null;
});
onBack(listen);
onRoute(() => {
  isNewPage = toPageName() !== shownPage;
  shownPage = toPageName();
});
onChange(askAll);
document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  redraw();
  askAll();
});
// Draws the page every second, because it shows the time since events.
setInterval(() => {
  if (!document.hidden) redraw();
}, 1_000);
watchSignIn();
resources.health.askNow();
