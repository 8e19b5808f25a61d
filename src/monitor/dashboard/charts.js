/**
 * The charts, by Chart.js. The label of each says in words what it shows; colours come from the stylesheet, and change with its theme.
 * Nothing is animated: what is drawn anew every few seconds stands still.
 */
import { barOptions, listOptions, ringOptions, timelineOptions } from './chart-options.js';
import {
  countCauses,
  toBytesText,
  toCountText,
  toDurationText,
  toFullTime,
  toHourMinute,
  toNumberText,
  toPercentText,
  toWords,
} from './format.js';
import { html } from './lit.js';
import { section } from './parts.js';

/** @import { Answer } from './api.js' */
/** @typedef {{ colour: string, isHollow?: boolean }} Paint */
/** @typedef {Record<string, unknown>} Fields */
/**
 * The part of Chart.js that is used here. Its own types have another class for each kind of chart.
 * @typedef {object} Drawing
 * @property {{ labels: string[], datasets: Fields[] }} data
 * @property {{ scales?: Record<string, Fields> }} options
 * @property {() => void} update
 */
/** @typedef {{ type: 'bar' | 'scatter' | 'doughnut', options: object }} Kind */

const { Chart } =
  /** @type {{ Chart?: { new (canvas: HTMLCanvasElement, config: object): Drawing, defaults: import('chart.js').Defaults } }} */ (
    /** @type {unknown} */ (globalThis)
  );
const SECOND_MS = 1_000;
const STEP_ORDER = ['done', 'failed', 'skipped', 'cancelled', 'running', 'queued'];

/** A chart with its canvas. It has no drawing if Chart.js could not be loaded. */
class Card {
  canvas = document.createElement('canvas');
  headline = '';
  /** @readonly */
  #chart;
  /** @readonly */
  #paints;
  /** @readonly */
  #isRing;

  /**
   * @param {string} title
   * @param {Kind} kind
   * @param {readonly Paint[]} paints one for each set of data
   */
  constructor(title, { type, options }, paints) {
    this.title = title;
    this.canvas.setAttribute('role', 'img');
    this.describe('', 'not loaded yet');
    this.#paints = paints;
    this.#isRing = type === 'doughnut';
    this.#chart =
      Chart &&
      new Chart(this.canvas, { type, data: { labels: [], datasets: paints.map(() => ({ data: [] })) }, options });
  }

  /**
   * @param {string} headline
   * @param {string} rest
   */
  describe(headline, rest) {
    this.headline = headline;
    const text = `${this.title}: ${headline === '' ? '' : `${headline}. `}${rest}.`;
    if (this.canvas.getAttribute('aria-label') !== text) this.canvas.setAttribute('aria-label', text);
  }

  /**
   * @param {readonly unknown[][]} data
   * @param {{ labels?: string[], words?: readonly string[], change?: (scales: Record<string, Fields>) => void }} [options]
   */
  draw(data, { labels = [], words = [], change = () => {} } = {}) {
    if (this.#chart === undefined) return;
    this.#chart.data.labels = labels;
    for (const [index, dataset] of this.#chart.data.datasets.entries())
      Object.assign(dataset, { data: data[index] ?? [], label: words[index] ?? '' });
    change(this.#chart.options.scales ?? {});
    this.#chart.update();
  }

  /**
   * Sets the colours. Two sets of data in one chart also differ by filled and hollow marks, because colours alone may not be distinguishable.
   * @param {(name: string) => string} colour
   */
  paint(colour) {
    if (this.#chart === undefined) return;
    for (const [index, dataset] of this.#chart.data.datasets.entries()) {
      const { colour: name = 'accent', isHollow = false } = this.#paints[index] ?? {};
      const own = colour(name);
      Object.assign(dataset, {
        backgroundColor: this.#isRing ? [own, colour('line')] : isHollow ? colour('surface') : own,
        borderColor: this.#isRing ? colour('surface') : own,
        borderWidth: isHollow ? 1.5 : 0,
      });
    }
    for (const scale of Object.values(this.#chart.options.scales ?? {}))
      for (const [part, name] of [
        ['ticks', 'muted'],
        ['grid', 'line'],
        ['border', 'line'],
      ])
        Object.assign(/** @type {Record<string, object>} */ (scale)[part ?? ''] ?? {}, { color: colour(name ?? '') });
    this.#chart.update();
  }
}

if (Chart !== undefined) {
  Chart.defaults.font.family = 'system-ui, sans-serif';
  Chart.defaults.animation = false;
  Chart.defaults.maintainAspectRatio = false;
  Chart.defaults.plugins.legend.display = false;
}

/** @param {readonly Paint[]} paints */
const bars = (...paints) =>
  /** @type {const} */ ([{ type: 'bar', options: barOptions({ isStacked: paints.length > 1 }) }, paints]);
/** @param {string} colour */
const list = (colour) => /** @type {const} */ ([{ type: 'bar', options: listOptions() }, [{ colour }]]);

export const deathsCard = new Card('Deaths over time', { type: 'scatter', options: timelineOptions }, [
  { colour: 'bad' },
]);
const cards = {
  started: new Card('Sessions started', ...bars({ colour: 'accent' })),
  lost: new Card('Deaths and timeouts', ...bars({ colour: 'bad' }, { colour: 'warn', isHollow: true })),
  runs: new Card('Runs begun and ended', ...bars({ colour: 'accent' }, { colour: 'second', isHollow: true })),
  reuse: new Card('Sessions reused', { type: 'doughnut', options: ringOptions }, [{ colour: 'accent' }]),
  steps: new Card('Steps by status', ...list('accent')),
  causes: new Card('Deaths by cause', ...list('bad')),
};

function paint() {
  const style = getComputedStyle(document.documentElement);
  for (const card of [deathsCard, ...Object.values(cards)])
    card.paint((name) => style.getPropertyValue(`--${name}`).trim());
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paint);
matchMedia('(prefers-contrast: more)').addEventListener('change', paint);
paint();

/**
 * @param {Answer<'statistics'> | undefined} statistics
 * @param {{ stale: string | null }} options
 */
export function numbersSection(statistics, { stale }) {
  const average = statistics?.average_session_seconds ?? null;
  const lasting = average === null ? '' : `a session lasts ${toDurationText(average * SECOND_MS)} on average, `;
  const note = statistics && `${lasting}the registry takes ${toBytesText(statistics.registry_bytes)}`;
  const noCharts = 'Chart.js could not be loaded. GET /metrics has the same numbers.';
  return section(
    { id: 'numbers', title: 'Numbers', stale, note: Chart === undefined ? noCharts : (note ?? '') },
    html`<div class="charts" id="charts">
      ${Object.values(cards).map(
        (card) =>
          html`<div class="chart-card">
            <h3>${card.title}</h3>
            <p class="chart-number">${card.headline}</p>
            <div class="chart">
              ${card.canvas}<span class="chart-middle" aria-hidden="true"
                >${card === cards.reuse ? card.headline : ''}</span
              >
            </div>
          </div>`,
      )}
    </div>`,
  );
}

/** @param {Answer<'timeline'>} timeline */
export function drawTimeline(timeline) {
  drawDeaths(timeline);
  const { buckets } = timeline;
  drawBars(cards.started, buckets, { sessions_started: 'started' });
  drawBars(cards.lost, buckets, { deaths: 'died', timeouts: 'timed out' });
  drawBars(cards.runs, buckets, { runs_started: 'begun', runs_ended: 'ended' });
}

/** @param {Answer<'statistics'>} statistics */
export function drawStatistics({ sessions_created: created, sessions_reused: reused, reuse_ratio: ratio, ...others }) {
  cards.reuse.draw([ratio === null ? [0, 1] : [ratio, 1 - ratio]]);
  cards.reuse.describe(
    ratio === null ? 'no use yet' : toPercentText(ratio * 100),
    `${toNumberText(reused)} times reused, ${toNumberText(created)} created`,
  );
  const steps = STEP_ORDER.map((name) => /** @type {const} */ ([name, others.steps_by_status[name] ?? 0]));
  drawList(
    cards.steps,
    steps.filter(([, number]) => number > 0),
  );
  /** @type {Map<string, number>} */
  const causes = new Map();
  for (const { cause, number } of others.deaths) causes.set(cause, (causes.get(cause) ?? 0) + number);
  drawList(
    cards.causes,
    [...causes].sort((one, other) => other[1] - one[1]),
  );
}

/**
 * One row per cause: shows which ones there are, and when they cluster.
 * @param {Answer<'timeline'>} timeline
 */
function drawDeaths({ from, to, deaths }) {
  const numbers = countCauses(deaths);
  const causes = [...numbers.keys()].sort((one, other) => one.localeCompare(other));
  deathsCard.draw([deaths.map((death) => ({ x: Date.parse(death.at), y: death.cause, death }))], {
    change: ({ x, y }) => {
      Object.assign(x ?? {}, { min: Date.parse(from), max: Date.parse(to) });
      Object.assign(y ?? {}, { labels: causes });
    },
  });
  const each = causes.map((cause) => `${numbers.get(cause)} ${cause}`).join(', ');
  const said =
    deaths.length === 0 ? 'none' : `${toCountText(deaths.length, 'death')}: ${each}. The table below has each of them`;
  deathsCard.describe('', `from ${toFullTime(from)} to ${toFullTime(to)}: ${said}`);
}

/** @typedef {Answer<'timeline'>['buckets'][number]} Bucket */

/**
 * @param {Card} card
 * @param {readonly Bucket[]} buckets
 * @param {Partial<Record<Exclude<keyof Bucket, 'at'>, string>>} series field → word
 */
function drawBars(card, buckets, series) {
  const fields = /** @type {[Exclude<keyof Bucket, 'at'>, string][]} */ (Object.entries(series));
  card.draw(
    fields.map(([field]) => buckets.map((bucket) => bucket[field])),
    { labels: buckets.map(({ at }) => toHourMinute(at)), words: fields.map(([, word]) => word) },
  );
  const sums = fields.map(([field, word]) => {
    return `${toNumberText(buckets.reduce((total, bucket) => total + bucket[field], 0))} ${word}`;
  });
  const peaks = fields.map(([field, word]) => {
    const most = buckets.toSorted((one, other) => other[field] - one[field])[0];
    return most && most[field] > 0 ? `most ${word}: ${most[field]} at ${toHourMinute(most.at)}` : `none ${word}`;
  });
  card.describe(sums.join(', '), peaks.join(', '));
}

/**
 * @param {Card} card
 * @param {readonly (readonly [name: string, number: number])[]} entries
 */
function drawList(card, entries) {
  card.draw([entries.map(([, number]) => number)], {
    labels: entries.map(([name]) => toWords(name)),
    change: ({ x }) => Object.assign(x ?? {}, { display: entries.length > 0 }),
  });
  const each = entries.map(([name, number]) => `${toNumberText(number)} ${toWords(name)}`).join(', ');
  card.describe(toNumberText(entries.reduce((total, [, number]) => total + number, 0)), each || 'None yet');
}
