/** How each kind of chart is laid out. Colours are added by `charts.js`, from the stylesheet. */
import { toFullTime, toHourMinute } from './format.js';

const MINUTE_MS = 60_000;
/** Of the time axis: the first one that leaves at most `MAX_TICKS` is taken. */
const TICK_MINUTES = [1, 5, 10, 15, 30, 60, 120, 240, 360];
const MAX_TICKS = 8;
const TOOLTIP_CHARACTERS = 90;

const wholeNumbers = { precision: 0, maxTicksLimit: 4 };

export function timelineOptions() {
  return {
    // A death of just now stands at the edge: let it be seen whole.
    clip: false,
    layout: { padding: { right: 12 } },
    elements: { point: { radius: 6, hoverRadius: 8, pointStyle: 'rectRot' } },
    scales: {
      x: {
        type: 'linear',
        grid: {},
        border: {},
        // Chart.js steps by powers of ten; hours and minutes don't.
        afterBuildTicks: (axis) => {
          axis.ticks = makeTimeTicks(axis.min, axis.max);
        },
        ticks: { maxRotation: 0, autoSkip: true, autoSkipPadding: 8, callback: (value) => toHourMinute(value) },
      },
      y: { type: 'category', labels: [], offset: true, grid: {}, border: {}, ticks: { autoSkip: false } },
    },
    plugins: {
      tooltip: {
        displayColors: false,
        callbacks: {
          title: ([{ raw }]) => `${raw.death.cause}, noticed by ${raw.death.detected_by}`,
          label: ({ raw }) =>
            [toFullTime(raw.death.at), cut(raw.death.owner ?? ''), cut(raw.death.message ?? '')].filter(Boolean),
        },
      },
    },
  };
}

export function barOptions({ isStacked }) {
  return {
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
  };
}

/** Bars that lie, one per name. */
export function listOptions() {
  return {
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
  };
}

export function ringOptions() {
  return { cutout: '72%', events: [], plugins: { tooltip: { enabled: false } } };
}

function makeTimeTicks(min, max) {
  const minutes = TICK_MINUTES.find((step) => (max - min) / MINUTE_MS / step <= MAX_TICKS) ?? TICK_MINUTES.at(-1);
  const stepMs = minutes * MINUTE_MS;
  // Whole hours of the reader's zone, not of UTC.
  const zoneMs = new Date(min).getTimezoneOffset() * MINUTE_MS;
  const ticks = [];
  for (let at = Math.ceil((min - zoneMs) / stepMs) * stepMs + zoneMs; at <= max; at += stepMs)
    ticks.push({ value: at });
  return ticks;
}

function cut(text) {
  return text.length > TOOLTIP_CHARACTERS ? `${text.slice(0, TOOLTIP_CHARACTERS)}…` : text;
}
