/** The sessions that are alive, and what is stuck. */
import { button, byId, setAttribute, setText } from './dom.js';
import { tellCauses, toDurationText } from './format.js';
import { badgeColumn, controlColumn, foreignColumn, makeTable, runColumn, textColumn, timeColumn } from './table.js';

const MINUTE_MS = 60_000;

export const toStuckId = ({ id, run_id: runId }) => id ?? runId;

/** @param {(session: object) => void} onEnd */
export function makeSessionsView({ onEnd }) {
  const host = byId('sessions');
  const show = makeTable(host.querySelector('.scroll'), {
    caption: 'Live browser sessions',
    keyOf: ({ id }) => id,
    columns: [
      foreignColumn('Owner', ({ owner }) => owner, { isHead: true, className: 'narrow' }),
      badgeColumn('Status', ({ status }) => status),
      textColumn('Epoch', ({ epoch }) => String(epoch), { className: 'number' }),
      timeColumn('Age', (session) => session.created_at, { as: 'for' }),
      timeColumn('Heartbeat', (session) => session.last_heartbeat_at, { none: 'none yet' }),
      foreignColumn('Host', ({ host: name, pid }) => `${name}:${pid}`, { className: 'narrow' }),
      runColumn('Run', (session) => session.run_id),
      foreignColumn('Deaths', ({ deaths }) => deaths, { className: 'rest', textClass: 'clamp' }),
      controlColumn('Action', (row) => button('End…', () => onEnd(row())), setEnd),
    ],
  });

  return ({ sessions, next }, deathsOf) => {
    show(sessions.map((session) => ({ ...session, deaths: tellDeaths(deathsOf(session)) })));
    host.querySelector('.empty').hidden = sessions.length > 0;
    setText(host.querySelector('.note'), next ? `the first ${sessions.length}; all: npm run sessions` : '');
  };
}

/** @param {(stuck: object[]) => void} onReset */
export function makeStuckView({ onReset }) {
  const host = byId('stuck');
  const resetAll = byId('reset-all');
  let shown = [];
  resetAll.addEventListener('click', () => onReset(shown, { isAll: true }));

  const show = makeTable(host.querySelector('.scroll'), {
    caption: 'Without progress for longer than the timeout',
    keyOf: (row) => `${row.id} ${row.run_id}`,
    columns: [
      foreignColumn('Owner', ({ owner }) => owner, { isHead: true, className: 'narrow' }),
      foreignColumn('Action', ({ action }) => action ?? 'session without a run', { className: 'rest' }),
      timeColumn('Silent for', (row) => row.last_progress_at, { as: 'for' }),
      timeColumn('Began', (row) => row.created_at),
      foreignColumn('Process', ({ host: name, pid }) => (name === null ? null : `${name}:${pid}`), {
        className: 'narrow',
      }),
      runColumn('Run', (row) => row.run_id),
      controlColumn('Reset', (row) => button('Reset…', () => onReset([row()])), setReset),
    ],
  });

  return ({ stuck_sessions: stuck }) => {
    shown = stuck;
    show(stuck);
    resetAll.hidden = stuck.length === 0;
    host.querySelector('.empty').hidden = stuck.length > 0;
    host.dataset.tone = stuck.length > 0 ? 'bad' : 'quiet';
  };
}

export function tellStuck({ owner, action, processing_minutes: minutes }) {
  return `${owner}${action === null ? '' : `: ${action}`}, without progress for ${toDurationText(minutes * MINUTE_MS)}`;
}

function tellDeaths(deaths) {
  return deaths.length === 0 ? 'none' : tellCauses(deaths);
}

function setEnd(node, session) {
  setAttribute(node, 'aria-label', `End the session of ${session.owner}`);
}

function setReset(node, row) {
  setAttribute(node, 'aria-label', `Reset what is stuck of ${row.owner}`);
}
