/** The speed, the sessions and the deaths of a run on one time axis. */
import { html, type Html, type HtmlValue } from '../../core/html.ts';
import { count } from '../../core/describe-number.ts';
import { describeReason } from '../../model/death-words.ts';
import type { StoredSession } from '../../model/session.ts';
import { clockTime, figure, foreign, section } from './parts.ts';
import type { RunReport } from './report-facts.ts';
import { steps, timeline, TimeScale, type Track } from './timeline.ts';

/** The maximum number of owners with a track: the run's own, and the slots of its pool. */
const MAX_OWNERS = 12;
/** A run of fewer parts has no speed that a curve can show. */
const MIN_BUCKETS = 3;
/** The minimum distance of two numbered marks in percent. */
const MIN_MARK_DISTANCE = 2;

type Facts = Pick<RunReport, 'outcome' | 'startedAt' | 'endedAt' | 'isResumed' | 'throughput' | 'sessions'>;

/** Returns nothing if there is nothing to show, for example if no session could be started. */
export function runTimeline(facts: Facts): HtmlValue {
  const { outcome, startedAt, endedAt, isResumed, throughput, sessions } = facts;
  const scale = new TimeScale(Date.parse(startedAt), Date.parse(endedAt));
  const lines = outcome.deaths
    .map(({ at }) => Date.parse(at))
    .filter((ms) => scale.has(ms))
    .map((ms) => html`<i class="line" style="left:${scale.at(ms)}%"></i>`);
  const tracks = [
    ...speedTracks(throughput, { scale, lines }),
    ...sessionTracks(sessions, { scale, lines }),
    ...deathTrack(outcome.deaths, scale),
  ];
  if (tracks.length === 0) return null;
  const words = isResumed ? 'since it was resumed' : '';
  return section(
    'Over time',
    { id: 'time', note: words },
    timeline(
      {
        scale,
        label: `${count(outcome.sessions, 'session')} and ${count(outcome.deaths.length, 'death')} on a time axis; the sections below have all facts`,
        origin: 'begin',
      },
      tracks,
    ),
    html`<p class="muted">${clockTime(startedAt)} to ${clockTime(endedAt)}</p>`,
  );
}

function speedTracks(
  throughput: RunReport['throughput'],
  { scale, lines }: { readonly scale: TimeScale; readonly lines: HtmlValue },
): Track[] {
  if (throughput === undefined || throughput.units.length < MIN_BUCKETS) return [];
  const { startedMs, bucketMs } = throughput;
  return (['records', 'units'] as const).flatMap((name): Track[] => {
    const max = Math.max(0, ...throughput[name]);
    if (max === 0) return [];
    const perSecond = (max * 1_000) / bucketMs;
    const rate = perSecond >= 10 ? figure(Math.round(perSecond)) : perSecond.toFixed(1);
    return [
      {
        label: name === 'records' ? 'Records' : 'Ended steps',
        note: `up to ${rate} per second`,
        height: 4.5,
        content: [steps(throughput[name], { scale, startedMs, bucketMs, max }), lines],
      },
    ];
  });
}

function sessionTracks(
  sessions: readonly StoredSession[],
  { scale, lines }: { readonly scale: TimeScale; readonly lines: HtmlValue },
): Track[] {
  const isShown = ({ startedAt, endedAt }: StoredSession) =>
    // The owner of a run that ends is held by a session that never starts.
    startedAt !== null && (endedAt === null || Date.parse(endedAt) >= scale.fromMs);
  const shown = sessions.filter(isShown);
  const owners = [...Map.groupBy(shown, ({ owner }) => owner)].sort(
    ([a], [b]) => a.length - b.length || (a < b ? -1 : 1),
  );
  return owners.slice(0, MAX_OWNERS).map(([owner, own], index) => ({
    label: index === 0 ? 'Sessions' : `Slot ${index + 1}`,
    note: foreign(owner, 30),
    content: [
      own.map(({ createdAt, startedAt, endedAt, status }) => {
        const begin = Date.parse(startedAt ?? createdAt);
        const end = endedAt === null ? scale.toMs : Date.parse(endedAt);
        return html`<i
          class="bar soft"
          style="${scale.extent(begin, end)};top:.5rem;height:.75rem"
          title="${status}"
        ></i>`;
      }),
      lines,
    ],
  }));
}

function deathTrack(deaths: RunReport['outcome']['deaths'], scale: TimeScale): Track[] {
  const marks: Html[] = [];
  let last = -MIN_MARK_DISTANCE;
  for (const [index, death] of deaths.entries()) {
    const ms = Date.parse(death.at);
    if (!scale.has(ms)) continue;
    const left = scale.at(ms);
    const number = index + 1;
    const title = `${describeReason(death)} at ${death.at}`;
    if (left - last >= MIN_MARK_DISTANCE) {
      marks.push(
        html`<a class="mark" href="#death-${number}" style="left:clamp(9px,${left}%,100% - 9px)" title="${title}"
          >${number}</a
        >`,
      );
      last = left;
    } else marks.push(html`<i class="line" style="left:${left}%" title="${title}"></i>`);
  }
  return marks.length === 0 ? [] : [{ label: 'Deaths', note: count(marks.length, 'death'), content: marks }];
}
