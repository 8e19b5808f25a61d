/**
 * The answers that the pages show. Each is requested at intervals while a page shows it. While the registry does not answer, only `/health`
 * is requested. The last answers stay, and are marked as stale with the reason.
 */
import { redraw } from './drawing.js';
import { clock, toClockTime } from './format.js';
import { poll } from './polling.js';
import { route, onRoute } from './route.js';

/** @import { Answer, ApiError, Run } from './api.js' */
/** @import { Route } from './route.js' */
/**
 * @typedef {object} Answers
 * @property {Answer<'healthAnswer'>} health
 * @property {Answer<'alerts'>} alerts
 * @property {Answer<'stuckSessions'>} stuck
 * @property {Answer<'sessions'>} live sessions
 * @property {Answer<'runs'>} latest
 * @property {Answer<'timeline'>} timeline
 * @property {Answer<'statistics'>} statistics
 * @property {Answer<'runs'>} runs of the list
 * @property {Answer<'sessions'>} sessions of the list
 * @property {Answer<'run'>} run
 * @property {Answer<'sessions'>} runSessions
 * @property {Answer<'steps'>} steps that failed
 * @property {Answer<'records'>} records
 * @property {Answer<'runEvents'>} runEvents
 */
/** @typedef {keyof Answers} Name */

const NOT_FOUND = 404;
const UNAVAILABLE = 503;
export const PAGE_ROWS = 50;

/** @type {Partial<Answers>} */
export const known = {};
/** `active`: the runs from the stream, null while there is no stream. `minutes`: the length of the timeline. */
export const live = { active: /** @type {Run[] | null} */ (null), minutes: 60 };
/** @type {Partial<Record<Name, number>>} */
const learnedAt = {};
/** @type {Partial<Record<Name, string>>} */
const paths = {};
/** @type {Partial<Record<Name, ApiError>>} */
export const failures = {};

const overview = { pages: [/** @type {const} */ ('overview')] };
const ofRun = { pages: [/** @type {const} */ ('run')], everyMs: 10_000 };
/** The options of requests about a run that exists. */
const ofKnownRun = { ...ofRun, mayAsk: () => known.run?.id === route.id };
const runPath = (/** @type {string} */ rest) => `/runs/${encodeURIComponent(route.id)}${rest}`;

export const resources = {
  health: ask('health', { path: () => '/health', everyMs: 10_000, accepts: [UNAVAILABLE] }),
  alerts: ask('alerts', { path: () => '/alerts', everyMs: 15_000 }),
  stuck: ask('stuck', { ...overview, path: () => '/health/sessions/stuck', everyMs: 20_000 }),
  live: ask('live', { ...overview, path: () => '/sessions?status=live&limit=200', everyMs: 15_000 }),
  latest: ask('latest', { ...overview, path: () => `/runs?limit=${PAGE_ROWS}`, everyMs: 20_000 }),
  timeline: ask('timeline', {
    ...overview,
    path: () => `/timeline?minutes=${live.minutes}`,
    everyMs: 30_000,
    minGapMs: 10_000,
  }),
  statistics: ask('statistics', { ...overview, path: () => '/statistics', everyMs: 30_000, minGapMs: 10_000 }),
  runs: ask('runs', { pages: ['runs'], path: () => listPath('runs'), everyMs: 20_000 }),
  sessions: ask('sessions', { pages: ['sessions'], path: () => listPath('sessions'), everyMs: 20_000 }),
  run: ask('run', { ...ofRun, path: () => runPath(''), mayAsk: () => failures.run?.status !== NOT_FOUND }),
  runSessions: ask('runSessions', {
    ...ofKnownRun,
    path: () => `/sessions?limit=200&run=${encodeURIComponent(route.id)}`,
  }),
  steps: ask('steps', {
    ...ofKnownRun,
    path: () => runPath(`/steps?status=failed&limit=${PAGE_ROWS}${cursor('steps')}`),
  }),
  records: ask('records', { ...ofKnownRun, path: () => runPath('/records?limit=100') }),
  runEvents: ask('runEvents', { ...ofKnownRun, path: () => runPath('/events?limit=100') }),
};

/** @type {{ [One in Name]?: (answer: Answers[One]) => void }} */
const listeners = {};

/**
 * @template {Name} One
 * @param {One} name
 * @param {(answer: Answers[One]) => void} listener
 */
export function onAnswer(name, listener) {
  Object.assign(listeners, { [name]: listener });
}

let onRegistryBack = () => {};

/** @param {() => void} listener called when the registry answers, again or for the first time */
export function onBack(listener) {
  onRegistryBack = listener;
}

onRoute(() => {
  for (const [name, { isWanted, path }] of Object.entries(resources)) {
    const one = /** @type {Name} */ (name);
    if (!isWanted() || paths[one] === path()) continue;
    for (const facts of [known, failures, learnedAt]) delete facts[one];
  }
  askAll();
  redraw();
});

export function askAll() {
  for (const resource of Object.values(resources)) resource.askNow();
}

/** @param {'runs' | 'sessions'} list */
function listPath(list) {
  const query = new URLSearchParams({ limit: String(PAGE_ROWS) });
  for (const [name, value] of route.query) if (value !== '') query.set(name, value);
  return `/${list}?${query}`;
}

/** @param {string} name of a cursor in the hash */
function cursor(name) {
  const after = route.query.get(name);
  return after ? `&after=${encodeURIComponent(after)}` : '';
}

/**
 * @template {Name} One
 * @param {One} name
 * @param {Omit<import('./polling.js').PollOptions<Answers[One]>, 'onData' | 'onError'> & { pages?: readonly Route['page'][] }} options
 */
function ask(name, { pages, mayAsk = () => true, ...options }) {
  const isWanted = () => pages === undefined || pages.includes(route.page);
  const polled = poll({
    mayAsk: () => isWanted() && mayAsk() && (name === 'health' || outage() === null),
    ...options,
    /** @param {Answers[One]} answer */
    onData(answer) {
      const wasOut = name === 'health' && outage() !== null;
      if (name === 'health') clock.adjust(/** @type {Answers['health']} */ (answer).timestamp);
      Object.assign(known, { [name]: answer });
      paths[name] = options.path();
      learnedAt[name] = clock.now();
      delete failures[name];
      listeners[name]?.(answer);
      redraw();
      if (name === 'run' && known.runEvents === undefined) askAll();
      if (!wasOut || outage() !== null) return;
      askAll();
      onRegistryBack();
    },
    onError(error) {
      failures[name] = error;
      if (error.status === UNAVAILABLE && name !== 'health') resources.health.askSoon();
      redraw();
    },
  });
  return { ...polled, path: options.path, isWanted };
}

/** Returns the reason why no answers except `/health` are available, or null. */
export function outage() {
  if (failures.health !== undefined) return failures.health.message;
  if (known.health === undefined) return 'Waiting for the first answer.';
  const { ok, message } = known.health.registry;
  return ok ? null : `The registry doesn’t answer: ${message ?? 'no reason given'}`;
}

/**
 * Returns the reason why an answer is not up to date, or null.
 * @param {Name} name
 */
export function staleness(name) {
  const isWaiting = known.health === undefined && failures.health === undefined;
  const reason = failures[name]?.message ?? (isWaiting ? null : outage());
  if (reason === null) return null;
  const at = learnedAt[name];
  return at === undefined ? `Not known yet: ${reason}` : `Stale, as of ${toClockTime(at)}: ${reason}`;
}

/** Returns the status with its reasons. */
export function verdict() {
  const { health, alerts } = known;
  const reason = outage();
  if (health === undefined && failures.health === undefined)
    return { status: 'Loading…', reasons: ['Asking the monitor…'], health };
  const isUnknown = health === undefined || failures.health !== undefined;
  const reasons = isUnknown ? [] : [...health.reasons];
  if (reason !== null && reasons.length === 0) reasons.push(reason);
  const { health: _health, ...others } = learnedAt;
  const latest = Math.max(...Object.values(others));
  if (reason !== null && Number.isFinite(latest)) reasons.push(`This page shows the state of ${toClockTime(latest)}.`);
  if (reasons.length === 0) reasons.push('Nothing is stuck, no limit is near, and no alert fires.');
  // An alert may arrive before the next answer of `/health`.
  const severities = (alerts?.alerts ?? []).map(({ severity }) => severity);
  const status = ['critical', 'warning'].find((one) => one === health?.status || severities.some((is) => is === one));
  return { status: isUnknown ? 'unknown' : (status ?? health.status), reasons, health };
}
