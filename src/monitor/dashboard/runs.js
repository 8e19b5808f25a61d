/** Views of runs: the runs in progress, and lists of all runs with their results and the commands that resume them. */
import { askToCancel } from './dialog.js';
import { clock, toCausesText, toCountText, toDurationText, toNumberText, toPercentText, toWhyText } from './format.js';
import { html, nothing, repeat } from './lit.js';
import { badge, button, copyButton, empty, foreign, icon, runLink, section, table, time } from './parts.js';

/** @import { Answer, Run } from './api.js' */

const MINUTE_MS = 60_000;
const COUNTS = /** @type {const} */ (['done', 'failed', 'running', 'queued', 'skipped', 'cancelled']);

/** @param {Run} run */
export const isPending = ({ status }) => status === 'pending';
/** @param {Run} run */
export const isWorkedOn = ({ status }) => status === 'processing';

/**
 * @param {readonly Run[] | undefined} runs undefined before the first answer
 * @param {{ stale: string | null, thresholds: Answer<'healthAnswer'>['thresholds'] | undefined }} options
 */
export const runningSection = (runs, { stale, thresholds }) =>
  section(
    { id: 'running', title: 'Running now', stale },
    html`<div class="scroll scroll-tall" role="group" aria-label="Running now">
      <ul class="runs">
        ${repeat(
          runs ?? [],
          ({ id }) => id,
          (run) => runItem(run, thresholds),
        )}
      </ul>
    </div>`,
    runs?.length === 0 ? empty('Nothing runs now. A run appears here when it starts.') : nothing,
  );

/**
 * @param {Run} run
 * @param {Answer<'healthAnswer'>['thresholds'] | undefined} thresholds
 */
const runItem = (run, thresholds) =>
  html`<li class="run">
    <div class="run-head">
      ${runBadge(run)} ${foreign(run.action, 'run-action cut')} ${foreign(run.owner)} ${runLink(run.id)}
      ${button('Cancel…', () => askToCancel(run), {
        label: `Cancel ${run.action} of ${run.owner}`,
        isDisabled: run.is_cancel_requested,
      })}
    </div>
    ${progress(run)} ${counts(run)}
    <div class="meta">
      <span class="silence" data-tone=${toSilence(run, thresholds) ?? nothing}>
        ${run.last_progress_at === null ? 'no progress yet' : html`last progress ${time(run.last_progress_at)}`}
      </span>
      ${foreign(run.host === null ? 'no process yet' : `${run.host}:${run.pid}`)}
      <span>${toCountText(run.sessions, 'session')}, ${toCountText(run.records, 'record')}</span>
      <span>began ${time(run.started_at ?? run.created_at)}</span>
    </div>
    ${
      run.deaths.length === 0
        ? nothing
        : html`<details class="run-deaths">
            <summary>
              ${icon('bad')}${toCountText(run.deaths.length, 'death')} so far: ${toCausesText(run.deaths)}
            </summary>
            <ul class="death-list">
              ${run.deaths.map(
                ({ cause, detected_by: detector, message, diagnosis }) =>
                  html`<li>
                    <strong>${cause}, noticed by ${detector}</strong><bdi dir="auto">${message}</bdi>
                    <bdi dir="auto">${toWhyText(diagnosis)}</bdi>
                  </li>`,
              )}
            </ul>
          </details>`
    }
  </li>`;

/** @param {Run} run */
export const runBadge = (run) =>
  run.is_cancel_requested && isWorkedOn(run)
    ? badge('cancelling', { tone: 'warn' })
    : badge(run.status, isPending(run) ? { word: 'waiting' } : {});

/** @param {Run} run */
export function progress({ action, owner, progress: { done, total, percent, label } }) {
  const text =
    percent === null
      ? `${toNumberText(done)} so far`
      : `${toNumberText(done)} of ${toNumberText(total)} · ${toPercentText(percent)}`;
  const bar = html`<progress
    max="100"
    value=${percent ?? 0}
    aria-label="Progress of ${action} of ${owner}"
    aria-valuetext=${text}
  ></progress>`;
  return html`<div class="run-progress">
    ${percent === null ? nothing : bar}
    <p class="run-far">${text}</p>
    ${label === null ? nothing : foreign(label, 'cut run-label')}
  </div>`;
}

/** @param {Run} run */
export const counts = (run) =>
  html`<div class="counts">
    ${COUNTS.map(
      (name) =>
        html`<span class="count" data-count=${name} ?data-none=${run.counts[name] === 0}
          ><strong>${toNumberText(run.counts[name])}</strong> ${name}</span
        >`,
    )}
  </div>`;

/**
 * @param {readonly Run[]} runs
 * @param {import('./parts.js').Content} none
 */
export const runsTable = (runs, none) =>
  table(
    {
      caption: 'Runs, newest first',
      /** @param {Run} run */
      keyOf: ({ id }) => id,
      none,
      columns: [
        { label: 'Status', cell: runBadge },
        { label: 'Action', cell: ({ action }) => foreign(action), isHead: true, className: 'narrow' },
        { label: 'Run', cell: ({ id }) => runLink(id) },
        { label: 'Owner', cell: ({ owner }) => foreign(owner), className: 'narrow' },
        { label: 'Began', cell: (run) => time(run.started_at ?? run.created_at), className: 'when' },
        { label: 'Took', cell: (run) => toDurationText(run.duration_ms), className: 'number' },
        { label: 'Done', cell: toDoneText },
        { label: 'Records', cell: ({ records }) => toNumberText(records), className: 'number' },
        { label: 'Trouble', cell: (run) => foreign(toTroubleText(run), 'clamp'), className: 'rest' },
        { label: 'Resume', cell: resume, className: 'control' },
      ],
    },
    runs,
  );

/** @param {Run} run */
function toDoneText({ progress: { done, total, percent }, counts: { failed } }) {
  const far = percent === null ? toNumberText(done) : `${toNumberText(done)} of ${toNumberText(total)}`;
  return `${far}${failed > 0 ? `, ${toNumberText(failed)} failed` : ''}`;
}

/** @param {Run} run */
function toTroubleText({ error, deaths }) {
  const died = deaths.length > 0 ? [`${toCountText(deaths.length, 'death')}: ${toCausesText(deaths)}`] : [];
  const failed = error === null ? [] : [`${error.code}: ${error.message}`];
  return [...failed, ...died].join(' · ') || null;
}

/** @param {Run} run */
const resume = (run) =>
  run.resume === null || isPending(run) || isWorkedOn(run)
    ? nothing
    : copyButton(run.resume, `Copy the command that resumes ${run.action} of ${run.owner}`);

/**
 * @param {Run} run
 * @param {Answer<'healthAnswer'>['thresholds'] | undefined} thresholds
 */
function toSilence({ last_progress_at: at }, thresholds) {
  if (at === null || thresholds === undefined) return undefined;
  const minutes = (clock.now() - Date.parse(at)) / MINUTE_MS;
  if (minutes >= thresholds.timeout_minutes) return 'bad';
  return minutes >= thresholds.warning_minutes ? 'warn' : undefined;
}
