/** The last seconds of a session as one HTML file: pictures, commands, requests, memory and CPU on one time axis, and all of them as tables. */
import { html, toImageAddress, type Html, type HtmlValue } from '../../core/html.ts';
import { redactText } from '../../core/redact.ts';
import { toHtmlPage } from '../../core/html-page.ts';
import { count } from '../../core/describe-number.ts';
import { describeReason } from '../../model/death-words.ts';
import type { Death } from '../../model/death.ts';
import type { Recording } from '../../model/recording.ts';
import { startSentence } from '../steps/step-words.ts';
import { RECORDED_AT } from './find-reports.ts';
import { clockTime, code, diagnosisPart, facts, foldedTable, foreign, moment, PARTS_STYLE, section } from './parts.ts';
import { recordingTimeline } from './recording-timeline.ts';
import { TIMELINE_STYLE } from './timeline.ts';
import {
  isError,
  isFailed,
  isUnanswered,
  isWarning,
  toMegabytes,
  toPictures,
  type Picture,
} from './recording-facts.ts';

const OPEN_ROWS = 20;
/** The name of the data beside the page. */
const DATA_FILE = 'recording.json';

const STYLE = `
.pictures { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); margin: 0; padding: 0; list-style: none; }
.pictures figure { margin: 0; }
.pictures img { display: block; width: 100%; border-radius: 4px; }
.pictures :target img { outline: 3px solid var(--accent); }
.legend { font-size: .8rem; display: flex; flex-wrap: wrap; gap: 0 1rem; }
.legend i { display: inline-block; height: .65rem; margin: 0; width: 1.25rem; }
.legend .dot { height: 9px; width: 9px; }
figcaption { color: var(--muted); font-size: .85rem; font-variant-numeric: tabular-nums; }
.strip { border: 1px solid var(--line); border-radius: 3px; bottom: 4px; overflow: hidden; top: 4px; }
.strip img { border: 0; display: block; height: 100%; max-width: none; object-fit: cover; object-position: left top; width: 100%; }
@media (max-width: 40rem) { .strip.minor { display: none; } .pictures { grid-template-columns: 1fr 1fr; } }
@media (min-width: 40.01rem) { .strip.narrow { display: none; } }`;

const LEGEND = html`<p class="muted legend">
  <span><i class="bar"></i> answered</span> <span><i class="bar warn"></i> answered with an error</span>
  <span><i class="bar open"></i> not answered</span> <span><i class="dot bad"></i> error</span>
  <span><i class="dot warn"></i> warning</span> <span><i class="dot"></i> other message</span>
</p>`;

/**
 * Returns the text of the file `report.html`, to be written beside `recording.json`. The texts of the recording are redacted and escaped;
 * a picture that is not base64 is left out.
 */
export function renderRecording(recording: Recording): string {
  const { at, death, failure, epoch } = recording;
  const what = death !== null ? describeReason(death) : failure !== null ? 'A step failed' : 'The run ended';
  const title = `${what} in session ${epoch}`;
  const pictures = toPictures(recording, toImageAddress);
  const body = [
    head(recording, what),
    section(
      'The last seconds',
      { id: 'time', note: secondsNote(recording) },
      recordingTimeline(recording, pictures),
      LEGEND,
    ),
    picturesPart(pictures),
    commandsPart(recording),
    pagesPart(recording),
    consolePart(recording),
    requestsPart(recording),
    samplesPart(recording),
    html`<p class="muted">The data of this page: <a href="${DATA_FILE}">${DATA_FILE}</a>. All times are UTC.</p>`,
  ];
  return toHtmlPage({
    title: failure === null ? title : `${title}: ${redactText(failure.step)}`,
    body,
    style: PARTS_STYLE + TIMELINE_STYLE + STYLE,
    facts: { [RECORDED_AT]: at },
  });
}

function secondsNote({ at, seconds }: Recording): string {
  return `${seconds} s until ${at.slice(0, 23).replace('T', ' ')}`;
}

function head({ at, death, failure, epoch, browser, commands }: Recording, what: string): Html {
  const open = commands.filter(isUnanswered);
  const unanswered = open.map(({ label, at: sent }) => html`${code(label)}, sent ${clockTime(sent)}<br />`);
  const reason = death !== null ? deathPart(death, what) : failure !== null ? failurePart(failure) : null;
  return html`<header>
      <p class="eyebrow">Session ${epoch}, ${foreign(browser)}</p>
      <h1>${what}</h1>
      <p>${moment(at)} UTC</p>
    </header>
    <section class="${reason === null ? 'ok' : 'failed'}" id="cause">
      <h2>${death === null ? 'Reason of the recording' : 'Cause'}</h2>
      ${reason ?? html`<p>The run is over, and its settings record the end of every run.</p>`}
      ${open.length === 0 ? null : facts([['Unanswered', unanswered]])}
    </section>`;
}

function deathPart(
  { cause, detectedBy, detectedAfterMs, evidence, diagnosis, consequences }: Death,
  what: string,
): Html {
  return html`<p class="lead">
      <strong>${what}</strong> (<code>${cause}</code>, noticed by ${detectedBy}): ${foreign(evidence.message)}
    </p>
    ${diagnosisPart(diagnosis)}
    ${facts([
      ['Page', evidence.url === null ? null : code(evidence.url)],
      ['Silent for', detectedAfterMs === null ? null : `${detectedAfterMs} ms`],
      ['Then', consequences.length === 0 ? null : consequences.map((one) => html`${foreign(one)}<br />`)],
    ])}`;
}

function failurePart({ step, message }: NonNullable<Recording['failure']>): Html {
  return html`<p class="lead"><strong>${foreign(startSentence(step))}</strong> failed: ${foreign(message)}</p>`;
}

function picturesPart(pictures: readonly Picture[]): HtmlValue {
  if (pictures.length === 0) return null;
  return section(
    'Pictures',
    { id: 'pictures', note: count(pictures.length, 'picture') },
    html`<ul class="pictures">
      ${pictures.map(
        ({ at, address }, index) =>
          html`<li id="picture-${index + 1}">
            <figure>
              <img src="${address}" alt="The page at ${at.slice(11, 23)}" loading="lazy" />
              <figcaption>${index + 1}. ${clockTime(at)}</figcaption>
            </figure>
          </li>`,
      )}
    </ul>`,
  );
}

function commandsPart(recording: Recording): HtmlValue {
  // The newest is first, because it is nearest to the death.
  const rows = recording.commands.toReversed().map((command) => {
    const { at, label, outcome, durationMs } = command;
    const tone = isUnanswered(command) ? 'bad' : isFailed(command) ? 'warn' : '';
    const state = isUnanswered(command) ? `${outcome}, the end came first` : outcome;
    return [
      clockTime(at),
      code(label),
      html`<span class="${tone}">${foreign(state)}</span>`,
      durationMs === null ? '–' : `${Math.round(durationMs)} ms`,
    ];
  });
  return tablePart(
    'Commands',
    {
      id: 'commands',
      noun: 'command',
      caption: 'Commands to the browser, the last one first',
      columns: [
        { label: 'Sent', kind: 'when' },
        { label: 'Command', kind: 'wide' },
        { label: 'Result' },
        { label: 'Took', kind: 'number' },
      ],
      none: 'No command was sent.',
    },
    rows,
  );
}

function pagesPart({ navigations }: Recording): Html {
  return tablePart(
    'Pages',
    {
      id: 'pages',
      noun: 'navigation',
      caption: 'Navigations, the last one first',
      columns: [
        { label: 'At', kind: 'when' },
        { label: 'Address', kind: 'wide' },
      ],
      none: 'The page did not change.',
    },
    navigations.toReversed().map(({ at, url }) => [clockTime(at), code(url)]),
  );
}

function consolePart({ console: messages }: Recording): Html {
  const rows = messages
    .toReversed()
    .map(({ at, level, text }) => [
      clockTime(at),
      html`<span class="${isError(level) ? 'bad' : isWarning(level) ? 'warn' : ''}">${foreign(level, 40)}</span>`,
      foreign(text, 2_000),
    ]);
  return tablePart(
    'Console',
    {
      id: 'console',
      noun: 'message',
      caption: 'Messages of the console and of the log of the browser, the last one first',
      columns: [
        { label: 'At', kind: 'when' },
        { label: 'Level', kind: 'short' },
        { label: 'Message', kind: 'wide' },
      ],
      none: 'There was no message.',
    },
    rows,
  );
}

function requestsPart({ failedRequests }: Recording): Html {
  const rows = failedRequests
    .toReversed()
    .map(({ at, url, status, error }) => [
      clockTime(at),
      status === null ? '–' : String(status),
      code(url),
      error === null ? '–' : foreign(error),
    ]);
  return tablePart(
    'Failed requests',
    {
      id: 'requests',
      noun: 'request',
      caption: 'Requests that failed, or were answered with a status of 400 or more, the last one first',
      columns: [
        { label: 'At', kind: 'when' },
        { label: 'Status', kind: 'short' },
        { label: 'Address', kind: 'wide' },
        { label: 'Error' },
      ],
      none: 'No request failed.',
    },
    rows,
  );
}

function samplesPart({ samples }: Recording): Html {
  const rows = samples
    .toReversed()
    .map(({ at, memoryBytes, cpuPercent, processes }) => [
      clockTime(at),
      toMegabytes(memoryBytes),
      cpuPercent === null ? '–' : `${Math.round(cpuPercent)} %`,
      String(processes),
    ]);
  return tablePart(
    'Memory and CPU',
    {
      id: 'samples',
      noun: 'sample',
      caption:
        'The processes of the driver and the browser together, the last sample first; CPU is a share of one core',
      columns: [
        { label: 'At', kind: 'when' },
        { label: 'Memory', kind: 'number' },
        { label: 'CPU', kind: 'number' },
        { label: 'Processes', kind: 'number' },
      ],
      none: 'There is no sample.',
    },
    rows,
  );
}

/** Returns a section with one table and the number of its rows. */
function tablePart(
  title: string,
  { id, noun, ...spec }: Parameters<typeof foldedTable>[0] & Readonly<Record<'id' | 'noun', string>>,
  rows: Parameters<typeof foldedTable>[1]['rows'],
): Html {
  return section(title, { id, note: count(rows.length, noun) }, foldedTable(spec, { rows, shown: OPEN_ROWS }));
}
