/** The report of a whole run as one HTML file: first the result and its root cause, then the evidence, the data and the settings. */
import { html, type Html, type HtmlValue } from '../../core/html.ts';
import { toHtmlPage } from '../../core/html-page.ts';
import { count, describeUnits, listSome } from '../../core/describe-number.ts';
import { describeDuration } from '../../core/describe-time.ts';
import type { Death } from '../../model/death.ts';
import { describeReason } from '../../model/death-words.ts';
import type { RunOutcome } from '../outcome.ts';
import { findRootCause, RUN_VERBS } from '../root-cause.ts';
import {
  clockTime,
  code,
  diagnosisPart,
  facts,
  figure,
  foldedTable,
  foreign,
  moment,
  PARTS_STYLE,
  section,
  table,
} from './parts.ts';
import { recordsPart } from './records-part.ts';
import type { RunReport } from './report-facts.ts';
import { runTimeline } from './run-timeline.ts';
import { TIMELINE_STYLE } from './timeline.ts';
import type { UsedSetting } from './used-settings.ts';

const MAX_DEATHS = 50;
const MAX_WARNINGS = 20;
const MAX_COMMANDS = 20;
const MAX_NAMES = 20;
/** The numbers of deaths and rows that are not folded. */
const OPEN_DEATHS = 3;
const OPEN_ROWS = 10;

/** Returns the text of the file. */
export function renderRunReport(report: RunReport): string {
  const { outcome, version, endedAt } = report;
  const title = `${outcome.action} ${RUN_VERBS[outcome.status]}`;
  const body = [
    head(report, title),
    tiles(report),
    runTimeline(report),
    deathsPart(report),
    stepsPart(report),
    recordsPart(report),
    warningsPart(outcome),
    settingsPart(report),
    html`<p class="muted">
      Written by webdriver-supervisor ${version} at ${moment(endedAt)}. All times are UTC. Run
      <code>${outcome.runId}</code>.
    </p>`,
  ];
  return toHtmlPage({
    title: `${title} – ${outcome.runId}`,
    body,
    style: PARTS_STYLE + TIMELINE_STYLE,
    facts: { run: outcome.runId },
  });
}

const TONES: Readonly<Record<RunOutcome['status'], 'ok' | 'warned' | 'failed'>> = {
  completed: 'ok',
  partial: 'warned',
  cancelled: 'warned',
  failed: 'failed',
  halted: 'failed',
  timed_out: 'failed',
};
const CHIPS = { ok: 'good', warned: 'warn', failed: 'bad' } as const;

function head({ outcome, next, recordings, startedAt, isResumed }: RunReport, title: string): Html {
  const { status, error, durationMs, deaths } = outcome;
  const tone = TONES[status];
  const root = findRootCause(outcome);
  const cause = root && html`<p class="lead">${deathSentence(root)} ${recordingLink(root, recordings)}</p>`;
  // The error of a death would repeat the root cause.
  const isShown = error !== null && !(root !== undefined && error.code === 'session-dead');
  const survived = root === undefined && deaths.length > 0 ? ` It survived ${count(deaths.length, 'death')}.` : '';
  return html`<header>
      <p class="eyebrow">Run ${outcome.runId}</p>
      <h1>${title}</h1>
      <p>
        <span class="chip ${CHIPS[tone]}">${status}</span> after ${describeDuration(durationMs)}, begun
        ${moment(startedAt)} UTC${isResumed ? ' (resumed)' : ''}.${survived}
      </p>
    </header>
    <section class="${tone}" id="result">
      <h2>${root === undefined ? 'Result' : 'Root cause'}</h2>
      ${cause} ${root && diagnosisPart(root.diagnosis)}
      ${isShown ? html`<p>${root === undefined ? null : 'Then: '}<code>${error.code}</code> ${foreign(error.message)}</p>` : null}
      <p>${work(outcome)}; ${records(outcome)}.</p>
      <h3>Next</h3>
      <pre class="command">${next}</pre>
    </section>`;
}

function work({ counts }: RunOutcome): string {
  return counts.total === 0 ? 'No step was begun' : `${describeUnits(counts)} steps and items`;
}

function records({ records: number, outputs }: RunOutcome): string {
  const files = Object.keys(outputs).length;
  const where = number === 0 ? '' : files === 0 ? ', not written to a file' : ` in ${count(files, 'file')}`;
  return `${count(number, 'record')}${where}`;
}

function deathSentence(death: Death): Html {
  const { cause, detectedBy, at, evidence, epoch } = death;
  return html`<strong>${describeReason(death)}</strong> (<code>${cause}</code>, noticed by ${detectedBy}) at
    ${clockTime(at)} in session ${epoch}: ${foreign(evidence.message)}.`;
}

function recordingLink({ at }: Death, recordings: RunReport['recordings']): HtmlValue {
  const file = recordings.get(at);
  return file === undefined ? null : html`<a href="${file}">Recording of its last seconds</a>`;
}

function tiles({ outcome }: RunReport): Html {
  const { counts, durationMs, sessions, deaths } = outcome;
  const seconds = durationMs / 1_000;
  const rate =
    seconds < 1 || outcome.records === 0 ? null : html`<small>${toRate(outcome.records / seconds)} per second</small>`;
  const notDone = (['failed', 'cancelled', 'skipped'] as const).filter((status) => counts[status] > 0);
  const rest = notDone.map((status) => `${figure(counts[status])} ${status}`).join(', ');
  const one = (label: string, value: HtmlValue, note: HtmlValue = null, kind = '') =>
    html`<div>
      <dt>${label}</dt>
      <dd class="${kind}">${value}${note}</dd>
    </div>`;
  return html`<dl class="tiles">
    ${one('Steps done', figure(counts.done), html`<small>of ${figure(counts.total)}${rest === '' ? '' : `: ${rest}`}</small>`)}
    ${one('Records', figure(outcome.records), rate)} ${one('Browser sessions', figure(sessions))}
    ${one('Deaths', figure(deaths.length), null, deaths.length > 0 ? 'bad' : '')}
    ${one('Took', describeDuration(durationMs))}
  </dl>`;
}

function toRate(perSecond: number): string {
  return perSecond >= 10 ? figure(Math.round(perSecond)) : perSecond.toFixed(1);
}

function deathsPart({ outcome: { deaths }, recordings }: RunReport): HtmlValue {
  if (deaths.length === 0) return null;
  const left = Math.max(0, deaths.length - MAX_DEATHS);
  const note = left === 0 ? count(deaths.length, 'death') : `the last ${MAX_DEATHS} of ${deaths.length}`;
  const all = deaths.slice(left).map((death, index) => {
    const number = left + index + 1;
    return deathPart(death, { number, recordings, isOpen: number > deaths.length - OPEN_DEATHS });
  });
  return section('Deaths', { id: 'deaths', note }, all);
}

function deathPart(
  death: Death,
  { number, recordings, isOpen }: Pick<RunReport, 'recordings'> & { readonly number: number; readonly isOpen: boolean },
): Html {
  const { cause, detectedBy, at, detectedAfterMs, evidence, diagnosis, epoch, cancelled, consequences } = death;
  const commands = evidence.lastCommands.slice(-MAX_COMMANDS);
  const title = `${number}. ${describeReason(death)}`;
  const link = recordingLink(death, recordings);
  const content = html`${diagnosisPart(diagnosis)}
  ${facts([
    ['Cause', html`<code>${cause}</code>, noticed by ${detectedBy} in session ${epoch}`],
    ['Evidence', foreign(evidence.message)],
    ['Page', evidence.url === null ? null : code(evidence.url)],
    ['Silent for', detectedAfterMs === null ? null : `${detectedAfterMs} ms`],
    [
      'Ended work',
      `${cancelled.inFlight} under way, ${cancelled.queued} queued; ${cancelled.refused} refused afterwards`,
    ],
    ['Then', consequences.length === 0 ? null : consequences.slice(0, 5).map((one) => html`${foreign(one)}<br />`)],
  ])}
  ${
    commands.length === 0
      ? null
      : html`<details>
          <summary>The last ${count(commands.length, 'command')}</summary>
          <ol>
            ${commands.map((command) => html`<li>${code(command)}</li>`)}
          </ol>
        </details>`
  }`;
  const heading = html`<h3>${title} <span class="note">${moment(at)}</span> ${link}</h3>`;
  if (isOpen) return html`<article id="death-${number}">${heading} ${content}</article>`;
  const reason = diagnosis.reason === 'unknown' ? null : html` <code>${diagnosis.reason}</code>`;
  return html`<article id="death-${number}">
    ${heading}
    <details>
      <summary>Details${reason}</summary>
      ${content}
    </details>
  </article>`;
}

function stepsPart({ outcome, failedSteps, slowest, recordings, isResumed }: RunReport): HtmlValue {
  const { counts, deaths } = outcome;
  if (counts.total === 0) return null;
  const failedNote = counts.failed > failedSteps.length ? `, the first ${failedSteps.length} of ${counts.failed}` : '';
  const since = isResumed ? ' since the run was resumed' : '';
  return section(
    'Steps and items',
    { id: 'steps', note: describeUnits(counts) },
    html`<h3>Failed</h3>`,
    foldedTable(
      {
        caption: `Failed steps and items in the order in which they began${failedNote}`,
        columns: [
          { label: 'Step' },
          { label: 'Batch', kind: 'short' },
          { label: 'Error', kind: 'short' },
          { label: 'Message', kind: 'wide' },
        ],
        none: 'No step failed.',
      },
      {
        shown: OPEN_ROWS,
        rows: failedSteps.map(({ key, batch, code: error, message }) => [
          foreign(key, 200),
          batch === null ? '–' : foreign(batch, 40),
          html`<code>${error}</code>`,
          foreign(message),
        ]),
      },
    ),
    failureRecordings(recordings, deaths),
    html`<h3>Slowest</h3>`,
    table(
      {
        caption: `The slowest steps and items${since}, by the time of their last attempt`,
        columns: [
          { label: 'Step', kind: 'wide' },
          { label: 'Batch', kind: 'short' },
          { label: 'Took', kind: 'number' },
        ],
        none: 'No step ended in this process.',
      },
      slowest.map(({ key, batch, tookMs }) => [
        foreign(key, 200),
        batch === null ? '–' : foreign(batch, 40),
        tookMs < 1_000 ? `${Math.round(tookMs)} ms` : describeDuration(tookMs),
      ]),
    ),
  );
}

/** Links to the recordings that belong to no death. */
function failureRecordings(recordings: RunReport['recordings'], deaths: readonly Death[]): HtmlValue {
  const others = [...recordings].filter(([at]) => !deaths.some((death) => death.at === at));
  if (others.length === 0) return null;
  return html`<p>
    Recordings of the last seconds: ${others.map(([at, file]) => html`<a href="${file}">${clockTime(at)}</a> `)}
  </p>`;
}

function warningsPart({ warnings, repeatedEffects }: RunOutcome): HtmlValue {
  if (warnings.length + repeatedEffects.length === 0) return null;
  const more = warnings.length - MAX_WARNINGS;
  return section(
    'Warnings',
    { id: 'warnings', kind: 'warned' },
    html`<ul>
      ${warnings.slice(0, MAX_WARNINGS).map((warning) => html`<li>${foreign(warning)}</li>`)}
    </ul>`,
    more > 0 ? html`<p>And ${more} more.</p>` : null,
    repeatedEffects.length === 0
      ? null
      : html`<p>
          These steps were done again although an interrupted attempt had already sent something:
          ${foreign(listSome(repeatedEffects, MAX_NAMES))}
        </p>`,
  );
}

function settingsPart({ outcome, params, options, settings }: RunReport): Html {
  const changed = settings.filter(({ isDefault }) => !isDefault);
  const rest = settings.filter(({ isDefault }) => isDefault);
  const rows = (list: readonly UsedSetting[]) =>
    list.map(({ name, value }) => [html`<code>${name}</code>`, code(value)]);
  const columns = [{ label: 'Setting' }, { label: 'Value', kind: 'wide' as const }];
  const given = Object.entries(params);
  return section(
    'Parameters and settings',
    { id: 'settings' },
    html`<h3>Parameters</h3>`,
    given.length === 0
      ? html`<p class="muted">None.</p>`
      : facts(given.map(([name, value]) => [name, code(typeof value === 'string' ? value : JSON.stringify(value))])),
    html`<h3>Options</h3>`,
    facts([
      ['owner', code(outcome.owner)],
      ...Object.entries(options).map(([name, value]) => [name, code(value)] as const),
    ]),
    html`<h3>Settings</h3>`,
    table(
      { caption: 'Settings that differ from their defaults', columns, none: 'All settings have their defaults.' },
      rows(changed),
    ),
    html`<details>
      <summary>Settings with their defaults</summary>
      ${table({ caption: 'Settings with their defaults', columns, none: '' }, rows(rest))}
    </details>`,
  );
}
