/** The page of one run. */
import { ApiError, getJson } from './api.js';
import { askToCancel } from './dialog.js';
import { redraw } from './drawing.js';
import { failures, known, live, PAGE_ROWS, staleness } from './facts.js';
import { eventList } from './feed.js';
import { toCausesText, toCountText, toDurationText, toFullTime, toWhyText } from './format.js';
import { html, nothing } from './lit.js';
import { button, copyButton, empty, foreign, section, table, time } from './parts.js';
import { route, toHref, toRunHref } from './route.js';
import { counts, isPending, isWorkedOn, progress, runBadge } from './runs.js';
import { sessionsTable } from './sessions.js';
import { timeAxis } from './time-axis.js';
import { announce } from './toast.js';

/** @import { Answer, Run } from './api.js' */
/** @import { Name } from './facts.js' */

const NOT_FOUND = 404;
const MAX_PAGE = 1_000;
const SHOWN_CHARACTERS = 400;

/** The records that were read so far, by run. */
const downloads = new Map();

export function runPage() {
  if (failures.run?.status === NOT_FOUND && known.run === undefined)
    return section(
      { id: 'run', title: 'No such run' },
      html`<p>${failures.run.message} Runs are removed after RUN_RETENTION_DAYS.</p>
        <p><a href=${toHref('runs')}>All runs</a></p>`,
    );
  const run = live.active?.find(({ id }) => id === route.id) ?? known.run;
  if (run === undefined)
    return section({ id: 'run', title: `Run ${route.id}`, stale: staleness('run') }, empty('Loading…'));
  return [runSection(run), timeSection(run), failedSection(run), recordsSection(run), eventsSection()];
}

/** @param {Run} run */
function runSection(run) {
  const control = isWorkedOn(run)
    ? button('Cancel…', () => askToCancel(run), { isDisabled: run.is_cancel_requested })
    : nothing;
  const facts = [
    ['Owner', foreign(run.owner)],
    ['Created', moment(run.created_at)],
    ['Began', moment(run.started_at)],
    ['Last progress', moment(run.last_progress_at)],
    ['Ended', moment(run.ended_at)],
    ['Took', toDurationText(run.duration_ms)],
    ['Process', foreign(run.host === null ? null : `${run.host}:${run.pid}`)],
    ['Sessions', run.sessions],
    ...(run.shards === null ? [] : [['Shards', run.shards]]),
    ...(run.parent_id === null ? [] : [['Shard of', html`<a href=${toRunHref(run.parent_id)}>${run.parent_id}</a>`]]),
    ...(run.shards === null && run.parent_id === null ? [] : [['Attempts of shards', run.attempts]]),
  ];
  return section(
    { id: 'run', title: run.action, stale: staleness('run'), control },
    html`<p class="run-head">${runBadge(run)} <span class="id" id="run-id">${run.id}</span></p>
      ${
        run.error === null
          ? nothing
          : html`<p class="run-error"><strong>${run.error.code}</strong> <bdi dir="auto">${run.error.message}</bdi></p>`
      }
      ${progress(run)} ${counts(run)}
      <dl class="facts facts-wide">
        ${facts.map(
          ([label, value]) =>
            html`<div>
              <dt>${label}</dt>
              <dd>${value}</dd>
            </div>`,
        )}
      </dl>
      ${
        run.resume === null || isWorkedOn(run)
          ? nothing
          : html`<p class="next">
              <span>${isPending(run) ? 'Begin' : 'Resume'}</span
              ><code class="command">${run.resume}</code>${copyButton(run.resume)}
            </p>`
      }
      <p class="next"><span>Report</span><code class="command">${run.show}</code>${copyButton(run.show)}</p>`,
  );
}

/** @param {string | null} at */
const moment = (at) => (at === null ? html`<span>–</span>` : html`${toFullTime(at)} (${time(at)})`);

/** @param {Run} run */
function timeSection(run) {
  const sessions = known.runSessions?.sessions ?? [];
  const { deaths } = run;
  return section(
    {
      id: 'run-sessions',
      title: 'Sessions and deaths',
      note: deaths.length === 0 ? 'no death' : `${toCountText(deaths.length, 'death')}: ${toCausesText(deaths)}`,
      stale: staleness('runSessions'),
    },
    timeAxis(run, sessions),
    deaths.length === 0
      ? nothing
      : table(
          {
            caption: 'Deaths of the run',
            keyOf: ({ at, cause }) => `${at} ${cause}`,
            none: '',
            columns: [
              { label: 'Cause', cell: ({ cause }) => foreign(cause), isHead: true },
              { label: 'When', cell: ({ at }) => time(at), className: 'when' },
              { label: 'Noticed by', cell: (death) => foreign(death.detected_by) },
              {
                label: 'Why',
                cell: ({ diagnosis }) => foreign(toWhyText(diagnosis) || 'unknown', 'clamp'),
                className: 'rest',
              },
              { label: 'Message', cell: ({ message }) => foreign(message, 'clamp'), className: 'rest' },
            ],
          },
          deaths,
        ),
    sessionsTable(sessions, {
      caption: 'Sessions of the run',
      without: ['Run'],
      none: orLoading('runSessions', 'The registry has no session of it any more.'),
    }),
  );
}

/** @param {Run} run */
function failedSection({ id, counts: { failed } }) {
  const after = route.query.get('steps');
  return section(
    { id: 'run-failed', title: 'Failed steps', note: String(failed), stale: staleness('steps') },
    table(
      {
        caption: 'Failed steps, in the order of their beginning',
        keyOf: (/** @type {Answer<'step'>} */ step) => `${step.batch} ${step.key}`,
        none: orLoading('steps', 'No step failed.'),
        columns: [
          { label: 'Step', cell: ({ key }) => foreign(key), isHead: true, className: 'wide' },
          { label: 'Batch', cell: ({ batch }) => foreign(batch), className: 'narrow' },
          { label: 'Reason', cell: ({ code, message }) => foreign(`${code}: ${message}`, 'clamp'), className: 'rest' },
          { label: 'Address', cell: ({ url }) => (url === null ? '–' : pageLink(url)), className: 'wide' },
        ],
      },
      known.steps?.steps ?? [],
    ),
    html`<nav class="paging" aria-label="Parts of the failed steps">
      ${after ? html`<a href=${toRunHref(id)}>First ${PAGE_ROWS}</a>` : nothing}
      ${known.steps?.next ? html`<a href=${toRunHref(id, { steps: known.steps.next })}>Next ${PAGE_ROWS}</a>` : nothing}
    </nav>`,
  );
}

/** @param {string} url of http or https, as the monitor has checked */
const pageLink = (url) => html`<a class="cut" href=${url} title=${url} target="_blank" rel="noreferrer">${url}</a>`;

/** @param {Run} run */
function recordsSection({ id, records: number }) {
  const records = known.records?.records ?? [];
  const done = downloads.get(id);
  const text = done === undefined ? 'Download all as JSON lines' : `Reading… ${toCountText(done, 'record')}`;
  return section(
    {
      id: 'run-records',
      title: 'Records',
      note: number > records.length ? `the first ${records.length} of ${number}` : toCountText(number, 'record'),
      stale: staleness('records'),
      control: number === 0 ? nothing : button(text, () => void download(id), { isDisabled: done !== undefined }),
    },
    table(
      {
        caption: 'The first records, in the order of their export',
        keyOf: ({ dataset, key }) => `${dataset} ${key}`,
        none: orLoading('records', 'No record was saved.'),
        columns: [
          { label: 'Key', cell: ({ key }) => foreign(key), isHead: true, className: 'narrow' },
          { label: 'Dataset', cell: ({ dataset }) => foreign(dataset), className: 'narrow' },
          {
            label: 'Record',
            cell: ({ record }) => html`<code class="record">${cut(JSON.stringify(record))}</code>`,
            className: 'rest',
          },
        ],
      },
      records,
    ),
  );
}

function eventsSection() {
  const events = known.runEvents?.events ?? [];
  return section(
    {
      id: 'run-events',
      title: 'Events',
      note: known.runEvents?.next ? `the latest ${events.length}` : '',
      stale: staleness('runEvents'),
    },
    events.length === 0
      ? empty(orLoading('runEvents', 'The registry has no event of it any more.'))
      : html`<div class="scroll" role="group" aria-label="Events of the run">
          ${eventList(events.map((event, index) => ({ ...event, key: `${event.timestamp} ${events.length - index}` })))}
        </div>`,
  );
}

/**
 * @param {Name} name
 * @param {string} none
 */
const orLoading = (name, none) => (known[name] === undefined ? 'Loading…' : none);

/** @param {string} text */
const cut = (text) => (text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text);

/**
 * Saves one file per dataset with one record per line, as `runs export` does. A navigation can't carry the token, so the pages are read here.
 * @param {string} id
 */
async function download(id) {
  /** @type {Map<string, Blob[]>} */
  const files = new Map();
  let number = 0;
  try {
    for (let after = '', isLast = false; !isLast;) {
      downloads.set(id, number);
      redraw();
      /** @type {Answer<'records'>} */
      const { records, next } = await getJson(`/runs/${encodeURIComponent(id)}/records?limit=${MAX_PAGE}${after}`);
      for (const [dataset, some] of Map.groupBy(records, (record) => record.dataset)) {
        const lines = some.map(({ record }) => `${JSON.stringify(record)}\n`);
        files.set(dataset, [...(files.get(dataset) ?? []), new Blob(lines)]);
      }
      number += records.length;
      isLast = next === null;
      after = `&after=${encodeURIComponent(next ?? '')}`;
    }
    for (const [dataset, parts] of files) saveFile(`${id}-${dataset}.jsonl`, new Blob(parts));
    announce(`Read ${toCountText(number, 'record')} in ${toCountText(files.size, 'file')}.`, 'good');
  } catch (failure) {
    if (!(failure instanceof ApiError)) throw failure;
    announce(`The records could not be read: ${failure.message}`, 'bad');
  } finally {
    downloads.delete(id);
    redraw();
  }
}

/**
 * @param {string} name
 * @param {Blob} content
 */
function saveFile(name, content) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name.replace(/[^\w.-]+/g, '-');
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
