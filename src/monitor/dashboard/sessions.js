/** Views of sessions, and of stuck runs and sessions. */
import { askToEnd, askToReset } from './dialog.js';
import { toDurationText, toShortId, toWhyText } from './format.js';
import { html, nothing } from './lit.js';
import { badge, button, foreign, runLink, section, table, time } from './parts.js';

/** @import { Answer, Session } from './api.js' */

const SECOND_MS = 1_000;

/** @param {Session} session */
const isAlive = ({ status }) => status === 'starting' || status === 'active';

/**
 * @param {readonly Session[]} sessions
 * @param {object} options
 * @param {string} options.caption
 * @param {import('./parts.js').Content} options.none
 * @param {readonly string[]} [options.without] labels of columns that are left out
 * @param {(session: Session) => string | null} [options.toTrouble]
 */
export const sessionsTable = (sessions, { caption, none, without = [], toTrouble = toEndText }) =>
  table(
    {
      caption,
      none,
      /** @param {Session} session */
      keyOf: ({ id }) => id,
      columns: /** @type {import('./parts.js').Column<Session>[]} */ ([
        { label: 'Owner', cell: ({ owner }) => foreign(owner), isHead: true, className: 'narrow' },
        { label: 'Status', cell: ({ status }) => badge(status) },
        { label: 'Session', cell: sessionCell },
        { label: 'Epoch', cell: ({ epoch }) => epoch, className: 'number' },
        { label: 'Began', cell: (session) => time(session.created_at), className: 'when' },
        {
          label: 'Lasted',
          cell: (session) =>
            isAlive(session)
              ? time(session.created_at, { as: 'for' })
              : toDurationText(session.age_seconds * SECOND_MS),
          className: 'when',
        },
        {
          label: 'Heartbeat',
          cell: (session) => time(session.last_heartbeat_at, { none: 'none yet' }),
          className: 'when',
        },
        { label: 'Host', cell: ({ host, pid }) => foreign(`${host}:${pid}`), className: 'narrow' },
        { label: 'Run', cell: (session) => runLink(session.run_id) },
        { label: 'Trouble', cell: (session) => foreign(toTrouble(session), 'clamp'), className: 'rest' },
        {
          label: 'Action',
          cell: (session) =>
            isAlive(session)
              ? button('End…', () => askToEnd(session), { label: `End the session of ${session.owner}` })
              : nothing,
          className: 'control',
        },
      ]).filter(({ label }) => !without.includes(label)),
    },
    sessions,
  );

/** @param {Session} session */
function sessionCell({ id, live_view: liveView }) {
  const name = toShortId(id);
  // The scheme is checked, because a link may also have that of a script.
  return liveView !== null && /^https?:/.test(liveView)
    ? html`<a
        class="id"
        href=${liveView}
        target="_blank"
        rel="noopener noreferrer"
        title="Live view of ${id} in the Grid"
        >${name}</a
      >`
    : html`<span class="id" title=${id}>${name}</span>`;
}

/** @param {Session} session */
function toEndText({ death, message }) {
  if (death === null) return message;
  const parts = [`${death.cause}, noticed by ${death.detected_by}`, death.message ?? '', toWhyText(death.diagnosis)];
  return parts.filter((part) => part !== '').join(': ');
}

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
