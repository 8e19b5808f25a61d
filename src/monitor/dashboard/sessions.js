/** Sessions, and what is stuck. */
import { askToEnd, askToReset } from './dialog.js';
import { toCausesText } from './format.js';
import { html, nothing } from './lit.js';
import { badge, button, foreign, runLink, section, table, time } from './parts.js';

/** @import { Answer, Death, Session } from './api.js' */

/**
 * @param {Answer<'sessions'> | undefined} answer
 * @param {{ stale: string | null, deathsOf: (session: Session) => readonly { cause: string }[] }} options
 */
export const sessionsSection = (answer, { stale, deathsOf }) =>
  section(
    {
      id: 'sessions',
      title: 'Live sessions',
      stale,
      note: answer?.next ? `the first ${answer.sessions.length}; all: npm run sessions` : '',
    },
    answer === undefined
      ? nothing
      : table(
          {
            caption: 'Live browser sessions',
            /** @param {Session} session */
            keyOf: ({ id }) => id,
            none: html`No browser session is alive; one starts with each run. Earlier ones:
              <code>npm run sessions</code>`,
            columns: [
              { label: 'Owner', cell: ({ owner }) => foreign(owner), isHead: true, className: 'narrow' },
              { label: 'Status', cell: ({ status }) => badge(status) },
              { label: 'Epoch', cell: ({ epoch }) => epoch, className: 'number' },
              { label: 'Age', cell: (session) => time(session.created_at, { as: 'for' }), className: 'when' },
              {
                label: 'Heartbeat',
                cell: (session) => time(session.last_heartbeat_at, { none: 'none yet' }),
                className: 'when',
              },
              { label: 'Host', cell: ({ host, pid }) => foreign(`${host}:${pid}`), className: 'narrow' },
              { label: 'Run', cell: (session) => runLink(session.run_id) },
              {
                label: 'Deaths',
                cell: (session) => foreign(toCausesText(deathsOf(session)) || 'none', 'clamp'),
                className: 'rest',
              },
              {
                label: 'Action',
                cell: (session) =>
                  button('End…', () => askToEnd(session), { label: `End the session of ${session.owner}` }),
                className: 'control',
              },
            ],
          },
          answer.sessions,
        ),
  );

/**
 * @param {Answer<'stuckSessions'> | undefined} answer
 * @param {{ stale: string | null }} options
 */
export function stuckSection(answer, { stale }) {
  const stuck = answer?.stuck_sessions ?? [];
  return section(
    {
      id: 'stuck',
      title: 'Stuck',
      stale,
      tone: stuck.length > 0 ? 'bad' : 'quiet',
      control: html`<button
        type="button"
        class="button button-danger"
        id="reset-all"
        ?hidden=${stuck.length === 0}
        @click=${() => askToReset(stuck, { isAll: true })}
      >
        Reset all…
      </button>`,
    },
    answer === undefined
      ? nothing
      : table(
          {
            caption: 'Without progress for longer than the timeout',
            keyOf: (/** @type {Answer<'stuckSession'>} */ row) => `${row.id} ${row.run_id}`,
            none: 'Nothing is stuck: everything that runs makes progress.',
            columns: [
              { label: 'Owner', cell: ({ owner }) => foreign(owner), isHead: true, className: 'narrow' },
              { label: 'Action', cell: ({ action }) => foreign(action ?? 'session without a run'), className: 'rest' },
              { label: 'Silent for', cell: (row) => time(row.last_progress_at, { as: 'for' }), className: 'when' },
              { label: 'Began', cell: (row) => time(row.created_at), className: 'when' },
              {
                label: 'Process',
                cell: ({ host, pid }) => foreign(host === null ? null : `${host}:${pid}`),
                className: 'narrow',
              },
              { label: 'Run', cell: (row) => runLink(row.run_id) },
              {
                label: 'Reset',
                cell: (row) =>
                  button('Reset…', () => askToReset([row]), { label: `Reset what is stuck of ${row.owner}` }),
                className: 'control',
              },
            ],
          },
          stuck,
        ),
  );
}
