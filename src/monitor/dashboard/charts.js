/**
 * The charts, by Chart.js. Each says in its label what it shows, for those who don't see it; colours come from the stylesheet, and
 * change with its theme. Nothing is animated: what is drawn anew every few seconds should stand still.
 */
import { byId, element, setAttribute, setText } from './dom.js';
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
import { barOptions, listOptions, ringOptions, timelineOptions } from './chart-options.js';

const SECOND_MS = 1_000;
const STEP_ORDER = ['done', 'failed', 'skipped', 'cancelled', 'running', 'queued'];
const SMALL = [
  { key: 'started', title: 'Sessions started' },
  { key: 'lost', title: 'Deaths and timeouts' },
  { key: 'runs', title: 'Runs begun and ended' },
  { key: 'reuse', title: 'Sessions reused' },
  { key: 'steps', title: 'Steps by status' },
  { key: 'causes', title: 'Deaths by cause' },
];

export function makeCharts() {
  const cards = Object.fromEntries(SMALL.map(({ key, title }) => [key, makeCard(title)]));
  byId('charts').append(...Object.values(cards).map(({ node }) => node));
  if (globalThis.Chart === undefined) return makeNoCharts();

  const { Chart } = globalThis;
  Chart.defaults.font.family = 'system-ui, sans-serif';
  Chart.defaults.animation = false;
  Chart.defaults.maintainAspectRatio = false;
  Chart.defaults.plugins.legend.display = false;

  const charts = {
    timeline: new Chart(byId('chart-timeline'), { type: 'scatter', data: empty('bad'), options: timelineOptions() }),
    started: bars(Chart, cards.started, [{ colour: 'accent' }]),
    lost: bars(Chart, cards.lost, [{ colour: 'bad' }, { colour: 'warn', isHollow: true }]),
    runs: bars(Chart, cards.runs, [{ colour: 'accent' }, { colour: 'second', isHollow: true }]),
    reuse: new Chart(cards.reuse.canvas, { type: 'doughnut', data: ring(), options: ringOptions() }),
    steps: new Chart(cards.steps.canvas, { type: 'bar', data: empty('accent'), options: listOptions() }),
    causes: new Chart(cards.causes.canvas, { type: 'bar', data: empty('bad'), options: listOptions() }),
  };

  function paint() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    for (const chart of Object.values(charts)) paintChart(chart, colour);
  }
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paint);
  matchMedia('(prefers-contrast: more)').addEventListener('change', paint);
  paint();

  return {
    showTimeline(timeline) {
      showDeaths(charts.timeline, timeline);
      const { buckets } = timeline;
      const labels = buckets.map(({ at }) => toHourMinute(at));
      const draw = (key, fields, words) => {
        const chart = charts[key];
        chart.data.labels = labels;
        for (const [index, field] of fields.entries()) {
          chart.data.datasets[index].data = buckets.map((bucket) => bucket[field]);
          chart.data.datasets[index].label = words[index];
        }
        chart.update();
        const sums = fields.map((field, index) => `${toNumberText(sum(buckets, field))} ${words[index]}`);
        tell(cards[key], sums.join(', '), peaks(buckets, fields, words));
      };
      draw('started', ['sessions_started'], ['started']);
      draw('lost', ['deaths', 'timeouts'], ['died', 'timed out']);
      draw('runs', ['runs_started', 'runs_ended'], ['begun', 'ended']);
    },

    showStatistics(statistics) {
      const { sessions_created: created, sessions_reused: reused, reuse_ratio: ratio } = statistics;
      charts.reuse.data.datasets[0].data = ratio === null ? [0, 1] : [ratio, 1 - ratio];
      charts.reuse.update();
      const share = ratio === null ? 'no use yet' : toPercentText(ratio * 100);
      tell(cards.reuse, share, `${toNumberText(reused)} times reused, ${toNumberText(created)} created`);
      setText(cards.reuse.middle, ratio === null ? '–' : share);

      const { average_session_seconds: average, registry_bytes: bytes } = statistics;
      const lasting = average === null ? [] : [`a session lasts ${toDurationText(average * SECOND_MS)} on average`];
      setText(
        byId('numbers').querySelector('.note'),
        [...lasting, `the registry takes ${toBytesText(bytes)}`].join(', '),
      );

      const steps = STEP_ORDER.filter((name) => statistics.steps_by_status[name] > 0);
      drawList(charts.steps, cards.steps, {
        names: steps,
        numbers: steps.map((name) => statistics.steps_by_status[name]),
      });

      const causes = new Map();
      for (const { cause, number } of statistics.deaths) causes.set(cause, (causes.get(cause) ?? 0) + number);
      const worst = [...causes].sort((one, other) => other[1] - one[1]);
      drawList(charts.causes, cards.causes, { names: worst.map(([name]) => name), numbers: worst.map(([, n]) => n) });
    },
  };
}

/** One lane per cause: which ones, and when they cluster, is what the eye looks for. */
function showDeaths(chart, { from, to, deaths }) {
  const numbers = countCauses(deaths);
  const causes = [...numbers.keys()].sort((one, other) => one.localeCompare(other));
  const { x, y } = chart.options.scales;
  x.min = Date.parse(from);
  x.max = Date.parse(to);
  y.labels = causes;
  chart.data.datasets[0].data = deaths.map((death) => ({ x: Date.parse(death.at), y: death.cause, death }));
  chart.update();

  const isEmpty = deaths.length === 0;
  chart.canvas.hidden = isEmpty;
  chart.canvas.parentElement.querySelector('.chart-empty').hidden = !isEmpty;
  const each = causes.map((cause) => `${numbers.get(cause)} ${cause}`).join(', ');
  const span = `from ${toFullTime(from)} to ${toFullTime(to)}`;
  const said = isEmpty ? 'none' : `${toCountText(deaths.length, 'death')}: ${each}. The table below has each of them`;
  setAttribute(chart.canvas, 'aria-label', `Deaths over time ${span}: ${said}.`);
}

function drawList(chart, card, { names, numbers }) {
  chart.data.labels = names.map(toWords);
  chart.options.scales.x.display = names.length > 0;
  chart.data.datasets[0].data = numbers;
  chart.update();
  const total = numbers.reduce((one, other) => one + other, 0);
  const each = names.map((name, index) => `${toNumberText(numbers[index])} ${toWords(name)}`).join(', ');
  tell(card, toNumberText(total), each || 'None yet');
}

function makeCard(title) {
  const canvas = element('canvas', { role: 'img', 'aria-label': `${title}: not loaded yet` });
  const headline = element('p', { class: 'chart-number' });
  const middle = element('span', { class: 'chart-middle', 'aria-hidden': 'true' });
  const node = element(
    'div',
    { class: 'chart-card' },
    element('h3', {}, title),
    headline,
    element('div', { class: 'chart' }, canvas, middle),
  );
  return { node, title, canvas, headline, middle };
}

function tell({ title, canvas, headline }, short, long) {
  setText(headline, short);
  setAttribute(canvas, 'aria-label', `${title}: ${short}. ${long}.`);
}

function peaks(buckets, fields, words) {
  return fields
    .map((field, index) => {
      const most = buckets.reduce(
        (one, other) => (other[field] > one[field] ? other : one),
        buckets[0] ?? { [field]: 0 },
      );
      return most[field] > 0
        ? `most ${words[index]}: ${most[field]} at ${toHourMinute(most.at)}`
        : `none ${words[index]}`;
    })
    .join(', ');
}

const sum = (buckets, field) => buckets.reduce((total, bucket) => total + bucket[field], 0);

const empty = (colour) => ({ labels: [], datasets: [{ data: [], colour }] });

const ring = () => ({ datasets: [{ data: [0, 1], colour: 'accent' }] });

function bars(Chart, { canvas }, datasets) {
  return new Chart(canvas, {
    type: 'bar',
    data: { labels: [], datasets: datasets.map((dataset) => ({ data: [], ...dataset })) },
    options: barOptions({ isStacked: datasets.length > 1 }),
  });
}

/** Two kinds in one chart differ by filled and hollow too, not by colour alone. */
function paintChart(chart, colour) {
  for (const dataset of chart.data.datasets) {
    const own = colour(dataset.colour);
    const isRing = chart.config.type === 'doughnut';
    dataset.backgroundColor = isRing ? [own, colour('line')] : dataset.isHollow ? colour('surface') : own;
    dataset.borderColor = isRing ? colour('surface') : own;
    dataset.borderWidth = dataset.isHollow ? 1.5 : 0;
  }
  for (const scale of Object.values(chart.options.scales ?? {})) {
    scale.ticks.color = colour('muted');
    scale.grid.color = colour('line');
    scale.border.color = colour('line');
  }
  chart.update();
}

function makeNoCharts() {
  byId('numbers').querySelector('.note').textContent =
    'Chart.js could not be loaded; the same numbers: npm run metrics';
  return { showTimeline() {}, showStatistics() {} };
}
