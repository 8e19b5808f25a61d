/** The tracks of a recording: what happened in the last seconds before the death, at the same time below each other. */
import { html, type Html, type HtmlValue } from '../../core/html.ts';
import { count } from '../../core/describe-number.ts';
import { redactText } from '../../core/redact.ts';
import type { Recording } from '../../model/recording.ts';
import { cut } from './parts.ts';
import { isError, isFailed, isUnanswered, isWarning, toMegabytes, type Picture } from './recording-facts.ts';
import { area, timeline, TimeScale, type Track } from './timeline.ts';

/** The minimum distance of two pictures in percent, in a wide and in a narrow window. */
const PICTURE_DISTANCE = 9;
const NARROW_PICTURE_DISTANCE = 24;
const MAX_COMMAND_ROWS = 4;
const COMMAND_ROW_REM = 0.85;
const MAX_TITLE_LETTERS = 200;

export function recordingTimeline(recording: Recording, pictures: readonly Picture[]): Html {
  const { at, seconds } = recording;
  const toMs = Date.parse(at);
  const scale = new TimeScale(toMs - seconds * 1_000, toMs);
  const end = html`<i class="line" style="left:calc(100% - 1px)"></i>`;
  const tracks = [
    ...pictureTrack(pictures, scale),
    commandTrack(recording, scale),
    navigationTrack(recording, scale),
    consoleTrack(recording, scale),
    requestTrack(recording, scale),
    ...sampleTracks(recording, scale),
  ];
  return timeline(
    { scale, label: `The last ${seconds} s on a time axis; the sections below have all facts`, origin: 'end' },
    tracks.map((track) => ({ ...track, content: [track.content, end] })),
  );
}

/** Shows a part of the pictures, so that none covers another. Each links to the whole one. */
function pictureTrack(pictures: readonly Picture[], scale: TimeScale): Track[] {
  if (pictures.length === 0) return [];
  const wide = spread(pictures, { scale, distance: PICTURE_DISTANCE });
  const narrow = spread(pictures, { scale, distance: NARROW_PICTURE_DISTANCE });
  const strip = (index: number, kind: string, width: number) => {
    const picture = pictures[index];
    if (picture === undefined) return null;
    const left = Math.min(scale.at(Date.parse(picture.at)), 100 - width);
    const style = `left:${left}%;width:${width - 0.6}%`;
    return html`<a class="strip ${kind}" href="#picture-${index + 1}" style="${style}"
      ><img src="${picture.address}" alt="Picture ${index + 1}"
    /></a>`;
  };
  return [
    {
      label: 'Pictures',
      note: count(pictures.length, 'picture'),
      height: 5.5,
      content: [
        wide.map((index) => strip(index, 'minor', PICTURE_DISTANCE)),
        narrow.map((index) => strip(index, 'narrow', NARROW_PICTURE_DISTANCE)),
      ],
    },
  ];
}

/** Returns the indexes of pictures that are `distance` percent from each other. The last one is always among them. */
function spread(
  pictures: readonly Picture[],
  { scale, distance }: { readonly scale: TimeScale; readonly distance: number },
): number[] {
  const chosen: number[] = [];
  let right = 100;
  for (const [index, { at }] of [...pictures.entries()].toReversed()) {
    const left = Math.min(scale.at(Date.parse(at)), 100 - distance);
    if (left + distance > right) continue;
    chosen.unshift(index);
    right = left;
  }
  return chosen;
}

/** Shows commands as bars. Concurrent ones are below each other, as far as there is space. */
function commandTrack({ commands }: Recording, scale: TimeScale): Track {
  const ends: number[] = [];
  const bars = commands.map((command) => {
    const begin = Date.parse(command.at);
    const end = isUnanswered(command) ? scale.toMs : begin + (command.durationMs ?? 0);
    const free = ends.findIndex((ended) => ended <= begin);
    const row = free >= 0 ? free : Math.min(ends.length, MAX_COMMAND_ROWS - 1);
    ends[row] = Math.max(end, ends[row] ?? 0);
    const kind = isUnanswered(command) ? 'open' : isFailed(command) ? 'warn' : '';
    const took = command.durationMs === null ? '' : `, ${Math.round(command.durationMs)} ms`;
    return html`<i
      class="bar ${kind}"
      style="${scale.extent(begin, end)};top:${0.4 + row * COMMAND_ROW_REM}rem;height:.65rem"
      title="${cut(redactText(`${command.label} ${command.outcome}`), MAX_TITLE_LETTERS)}${took}"
    ></i>`;
  });
  const open = commands.filter(isUnanswered).length;
  const note =
    open === 0
      ? count(commands.length, 'command')
      : html`<span class="bad">${open} unanswered</span> of ${commands.length}`;
  const rows = Math.max(1, ends.length);
  return { label: 'Commands', note, height: 0.6 + rows * COMMAND_ROW_REM, content: bars };
}

/** Shows each page from its navigation until the next one. */
function navigationTrack({ navigations }: Recording, scale: TimeScale): Track {
  const content = navigations.map(({ at, url }, index) => {
    const begin = Date.parse(at);
    const next = navigations[index + 1];
    const end = next === undefined ? scale.toMs : Date.parse(next.at);
    const address = redactText(url);
    return html`<span class="span" style="${scale.extent(begin, end)}" title="${cut(address, MAX_TITLE_LETTERS)}"
      >${cut(toPath(address), MAX_TITLE_LETTERS)}</span
    >`;
  });
  return { label: 'Pages', note: count(navigations.length, 'navigation'), content };
}

function toPath(address: string): string {
  const url = URL.parse(address);
  return url === null || !/^https?:$/.test(url.protocol) ? address : `${url.pathname}${url.search}`;
}

function consoleTrack({ console: messages }: Recording, scale: TimeScale): Track {
  const errors = messages.filter(({ level }) => isError(level)).length;
  const content = messages.map(({ at, level, text }) =>
    dot({ at, kind: isError(level) ? 'bad' : isWarning(level) ? 'warn' : '', title: `${level}: ${text}` }, scale),
  );
  const note = errors === 0 ? count(messages.length, 'message') : `${count(errors, 'error')} of ${messages.length}`;
  return { label: 'Console', note, content };
}

function requestTrack({ failedRequests }: Recording, scale: TimeScale): Track {
  const content = failedRequests.map(({ at, url, status, error }) =>
    dot({ at, kind: 'bad', title: `${status ?? error ?? 'failed'} ${url}` }, scale),
  );
  return { label: 'Failed requests', note: count(failedRequests.length, 'request'), content };
}

function dot(
  { at, kind, title }: { readonly at: string; readonly kind: string; readonly title: string },
  scale: TimeScale,
): Html {
  const text = cut(redactText(title), MAX_TITLE_LETTERS);
  return html`<i class="dot ${kind}" style="left:${scale.at(Date.parse(at))}%" title="${text}"></i>`;
}

function sampleTracks({ samples }: Recording, scale: TimeScale): Track[] {
  if (samples.length === 0) return [];
  const curve = (
    label: string,
    { read, show }: { read: (sample: Recording['samples'][number]) => number | null; show: (value: number) => string },
  ): Track => {
    const points = samples.flatMap((sample) => {
      const value = read(sample);
      return value === null ? [] : [{ ms: Date.parse(sample.at), value }];
    });
    const values = points.map(({ value }) => value);
    const max = values.reduce((a, b) => Math.max(a, b), 0);
    const last = values.at(-1);
    const note: HtmlValue = last === undefined ? 'not known' : `up to ${show(max)}, last ${show(last)}`;
    return { label, note, height: 3.5, content: area(points, { scale, max }) };
  };
  return [
    curve('Memory', { read: ({ memoryBytes }) => memoryBytes, show: toMegabytes }),
    curve('CPU', { read: ({ cpuPercent }) => cpuPercent, show: (value) => `${Math.round(value)} %` }),
  ];
}
