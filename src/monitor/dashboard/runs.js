/** What runs now, with how far it is and what went wrong so far; and what ran, with how it ended and how to go on. */
import {
  badge,
  button,
  byId,
  element,
  foreignText,
  icon,
  makeKeyedList,
  setAttribute,
  setBadge,
  setForeignText,
  setText,
  setTime,
} from './dom.js';
import { clock, tellCauses, toCountText, toDurationText, toNumberText, toPercentText, toWords } from './format.js';
import {
  badgeColumn,
  controlColumn,
  foreignColumn,
  makeTable,
  runLink,
  setRunLink,
  textColumn,
  timeColumn,
} from './table.js';

const MINUTE_MS = 60_000;
const COUNTS = ['done', 'failed', 'running', 'queued', 'skipped', 'cancelled'];
/** Ended, but not with everything done: `--resume` goes on from there. */
const RESUMABLE = new Set(['partial', 'failed', 'halted', 'timed_out', 'cancelled']);

export const isPending = ({ status }) => status === 'pending';
export const isWorkedOn = ({ status }) => status === 'processing';

/** As it is typed where the monitor runs. */
export const toResumeCommand = ({ resume }) => resume ?? '';

/** @param {(run: object) => void} onCancel */
export function makeRunningView({ onCancel }) {
  const host = byId('running');
  const list = makeKeyedList(
    host.querySelector('.runs'),
    ({ id }) => id,
    () => makeRun(onCancel),
  );
  return (runs, thresholds) => {
    list(runs.map((run) => ({ ...run, silence: toSilence(run, thresholds) })));
    host.querySelector('.empty').hidden = runs.length > 0;
  };
}

function makeRun(onCancel) {
  let shown;
  const status = badge();
  const action = foreignText('run-action cut');
  const owner = foreignText('cut');
  const id = runLink();
  const cancel = button('Cancel…', () => onCancel(shown));
  const bar = element('progress', { max: '100' });
  const far = element('p', { class: 'run-far' });
  const label = foreignText('cut run-label');
  const counts = COUNTS.map((name) => makeCount(name));
  const silent = element('time');
  const silentLabel = element('span');
  const silence = element('span', { class: 'silence' }, silentLabel, silent);
  const place = foreignText('cut');
  const use = element('span');
  const started = element('time');
  const deaths = makeDeaths();

  const node = element(
    'li',
    { class: 'run' },
    element('div', { class: 'run-head' }, status, action, owner, id, cancel),
    element('div', { class: 'run-progress' }, bar, far, label),
    element('div', { class: 'counts' }, ...counts.map((count) => count.node)),
    element('div', { class: 'meta' }, silence, place, use, element('span', {}, 'began ', started)),
    deaths.node,
  );
  return {
    node,
    update(run) {
      shown = run;
      setBadge(status, run.is_cancel_requested ? 'cancelling' : run.status, toneOfRun(run));
      setForeignText(action, run.action);
      setForeignText(owner, run.owner);
      setRunLink(id, run.id);
      cancel.disabled = run.is_cancel_requested;
      setAttribute(cancel, 'aria-label', `Cancel ${run.action} of ${run.owner}`);
      showProgress({ bar, far, label }, run);
      for (const count of counts) count.update(run.counts);
      setText(silentLabel, run.last_progress_at === null ? 'no progress yet' : 'last progress ');
      setTime(silent, run.last_progress_at, { none: '' });
      setAttribute(silence, 'data-tone', run.silence);
      setForeignText(place, run.host === null ? 'no process yet' : `${run.host}:${run.pid}`);
      setText(use, `${toCountText(run.sessions, 'session')}, ${toCountText(run.records, 'record')}`);
      setTime(started, run.started_at ?? run.created_at);
      deaths.update(run.deaths);
    },
  };
}

function showProgress({ bar, far, label }, run) {
  const { done, total, percent } = run.progress;
  const isCounted = total > 0;
  const text = isCounted
    ? `${toNumberText(done)} of ${toNumberText(total)}`
    : `${toNumberText(done)} done, total not known yet`;
  const share = percent ?? (isCounted ? (100 * done) / total : null);
  setAttribute(bar, 'value', Math.min(100, share ?? 0));
  setAttribute(bar, 'aria-label', `Progress of ${run.action} of ${run.owner}`);
  setAttribute(bar, 'aria-valuetext', share === null ? text : `${text}, ${toPercentText(share)}`);
  setText(far, share === null ? text : `${text} · ${toPercentText(share)}`);
  setForeignText(label, run.progress.label);
}

function makeCount(name) {
  const number = element('strong');
  const node = element('span', { class: 'count', 'data-count': name }, number, ` ${name}`);
  return {
    node,
    update: (counts) => {
      setText(number, toNumberText(counts[name]));
      setAttribute(node, 'data-none', counts[name] === 0);
    },
  };
}

function makeDeaths() {
  const summary = element('summary');
  const items = element('ul', { class: 'death-list' });
  const node = element('details', { class: 'run-deaths' }, summary, items);
  const list = makeKeyedList(
    items,
    ({ index }) => String(index),
    () => {
      const cause = element('strong');
      const message = element('bdi', { dir: 'auto' });
      const item = element('li', {}, cause, message);
      return {
        node: item,
        update: (death) => {
          setText(cause, `${death.cause}, noticed by ${death.detected_by}`);
          setText(message, death.message ?? '');
        },
      };
    },
  );
  return {
    node,
    update(deaths) {
      node.hidden = deaths.length === 0;
      const text = `${toCountText(deaths.length, 'death')} so far: ${tellCauses(deaths)}`;
      if (summary.textContent !== text) summary.replaceChildren(icon('bad'), text);
      list(deaths.map((death, index) => ({ ...death, index })));
    },
  };
}

/** @param {(text: string, button: Element) => Promise<void>} copy */
export function makeRecentView({ copy }) {
  const host = byId('recent');
  const show = makeTable(host.querySelector('.scroll'), {
    caption: 'Finished runs, newest first',
    keyOf: ({ id }) => id,
    columns: [
      badgeColumn('Status', ({ status }) => status),
      foreignColumn('Action', ({ action }) => action, { isHead: true, className: 'narrow' }),
      foreignColumn('Owner', ({ owner }) => owner, { className: 'narrow' }),
      timeColumn('Ended', (run) => run.ended_at ?? run.last_progress_at),
      textColumn('Took', (run) => toDurationText(run.duration_ms), { className: 'number' }),
      textColumn('Steps', tellSteps),
      textColumn('Records', ({ records }) => toNumberText(records), { className: 'number' }),
      foreignColumn('What went wrong', tellTrouble, { className: 'rest', textClass: 'clamp' }),
      controlColumn('Resume', (row) => makeResume(row, copy), setResume),
    ],
  });
  return (runs) => {
    show(runs);
    host.querySelector('.empty').hidden = runs.length > 0;
  };
}

function tellSteps({ counts }) {
  const failed = counts.failed > 0 ? `, ${toNumberText(counts.failed)} failed` : '';
  return `${toNumberText(counts.done)} of ${toNumberText(counts.total)}${failed}`;
}

function tellTrouble({ error, deaths }) {
  const died = deaths.length > 0 ? `${toCountText(deaths.length, 'death')}: ${tellCauses(deaths)}` : null;
  const failed = error === null ? null : `${error.code}: ${error.message}`;
  return [failed, died].filter((text) => text !== null).join(' · ') || null;
}

function makeResume(row, copy) {
  const node = button('Copy', () => void copy(toResumeCommand(row()), node));
  return node;
}

function setResume(node, run) {
  node.hidden = !RESUMABLE.has(run.status);
  setAttribute(node, 'title', toResumeCommand(run));
  setAttribute(node, 'aria-label', `Copy the command that resumes ${run.action} of ${run.owner}`);
}

function toneOfRun(run) {
  if (run.is_cancel_requested) return { tone: 'warn' };
  return { word: isPending(run) ? 'waiting' : toWords(run.status) };
}

function toSilence(run, thresholds) {
  if (run.last_progress_at === null || thresholds === undefined) return undefined;
  const minutes = (clock.now() - Date.parse(run.last_progress_at)) / MINUTE_MS;
  if (minutes >= thresholds.timeout_minutes) return 'bad';
  return minutes >= thresholds.warning_minutes ? 'warn' : undefined;
}
