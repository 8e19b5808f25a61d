/** The layout of each kind of chart. `charts.js` adds the colours, from the stylesheet. */
import { toFullTime, toHourMinute } from './format.js';

/** @import { Answer } from './api.js' */
/** @import { ChartOptions, Scale } from 'chart.js' */
/** @typedef {{ x: number, y: string, death: Answer<'timeline'>['deaths'][number] }} DeathPoint */

const MINUTE_MS = 60_000;
/** The possible steps of the time axis in minutes. The first one with at most `MAX_TICKS` ticks is used. */
const TICK_MINUTES = [1, 5, 10, 15, 30, 60, 120, 240, 360];
const MAX_TICKS = 8;
const TOOLTIP_CHARACTERS = 90;

const wholeNumbers = { precision: 0, maxTicksLimit: 4 };

/** @type {ChartOptions<'scatter'>} */
export const timelineOptions = {
  // The mark of a recent death is at the edge of the chart, and must not be cut off.
  clip: false,
  layout: { padding: { right: 12 } },
  elements: { point: { radius: 6, hoverRadius: 8, pointStyle: 'rectRot' } },
  scales: {
    x: {
      type: 'linear',
      grid: {},
      border: {},
      // Chart.js uses steps of powers of ten, which do not fit hours and minutes.
      afterBuildTicks: (axis) => {
        axis.ticks = makeTimeTicks(axis);
      },
      ticks: { maxRotation: 0, autoSkip: true, autoSkipPadding: 8, callback: (value) => toHourMinute(Number(value)) },
    },
    y: { type: 'category', labels: [], offset: true, grid: {}, border: {}, ticks: { autoSkip: false } },
  },
  plugins: {
    tooltip: {
      displayColors: false,
      callbacks: {
        title: ([item]) => {
          const { cause, detected_by: detector } = toDeath(item?.raw);
          return `${cause}, noticed by ${detector}`;
        },
        label: ({ raw }) => {
          const { at, owner, message } = toDeath(raw);
          return [toFullTime(at), cut(owner ?? ''), cut(message ?? '')].filter((text) => text !== '');
        },
      },
    },
  },
};

/**
 * @param {{ isStacked: boolean }} options
 * @returns {ChartOptions<'bar'>}
 */
export const barOptions = ({ isStacked }) => ({
  interaction: { mode: 'index', intersect: false },
  datasets: { bar: { barPercentage: 0.9, categoryPercentage: 0.9 } },
  scales: {
    x: {
      stacked: isStacked,
      grid: { display: false },
      border: {},
      ticks: { maxRotation: 0, autoSkip: true, maxTicksLimit: 3 },
    },
    y: {
      stacked: isStacked,
      beginAtZero: true,
      suggestedMax: 2,
      grid: {},
      border: { display: false },
      ticks: wholeNumbers,
    },
  },
});

/**
 * Returns the options of a chart with one horizontal bar per name.
 * @returns {ChartOptions<'bar'>}
 */
export const listOptions = () => ({
  indexAxis: 'y',
  datasets: { bar: { barPercentage: 0.8, categoryPercentage: 0.8, maxBarThickness: 16 } },
  scales: {
    x: {
      beginAtZero: true,
      suggestedMax: 2,
      grid: {},
      border: { display: false },
      ticks: { ...wholeNumbers, maxRotation: 0 },
    },
    y: { grid: { display: false }, border: {}, ticks: { autoSkip: false } },
  },
});

/** @type {ChartOptions<'doughnut'>} */
export const ringOptions = { cutout: '72%', events: [], plugins: { tooltip: { enabled: false } } };

/** @param {Scale} axis */
function makeTimeTicks({ min, max }) {
  const minutes = TICK_MINUTES.find((step) => (max - min) / MINUTE_MS / step <= MAX_TICKS) ?? 360;
  const stepMs = minutes * MINUTE_MS;
  // Ticks are at whole hours of the user's time zone.
  const zoneMs = new Date(min).getTimezoneOffset() * MINUTE_MS;
  const ticks = [];
  for (let at = Math.ceil((min - zoneMs) / stepMs) * stepMs + zoneMs; at <= max; at += stepMs)
    ticks.push({ value: at });
  return ticks;
}

/** @param {unknown} raw */
const toDeath = (raw) => /** @type {DeathPoint} */ (raw).death;

/** @param {string} text */
const cut = (text) => (text.length > TOOLTIP_CHARACTERS ? `${text.slice(0, TOOLTIP_CHARACTERS)}…` : text);
