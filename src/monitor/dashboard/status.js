/** The overall verdict and why; who watches; the alerts that fire, each with what to type next. */
import {
  badge,
  byId,
  element,
  foreignText,
  makeKeyedList,
  setAttribute,
  setBadge,
  setForeignText,
  setText,
  setTime,
  toTone,
} from './dom.js';
import { toCountText, toNumberText } from './format.js';

const ICON_SHAPES = {
  good: '<circle cx="8" cy="8" r="7"/>',
  warn: '<path d="M8 1 15.5 15H.5z"/>',
  bad: '<path d="M4.7.5h6.6l4.2 4.2v6.6l-4.2 4.2H4.7L.5 11.3V4.7z"/>',
  quiet: '<circle cx="8" cy="8" r="5" opacity=".6"/>',
};
const ICON_COLOURS = { good: '#1f9d5b', warn: '#e0a100', bad: '#d92d3a', quiet: '#7b8694' };

/** @param {{ status: string, reasons: string[] }} verdict `status` may be `unknown` as well */
export function makeStatusView() {
  const word = byId('status').firstElementChild;
  const reasons = makeKeyedList(
    byId('reasons'),
    ({ text }) => text,
    () => {
      const node = element('li', { class: 'clamp', dir: 'auto' });
      return { node, update: ({ text }) => setForeignText(node, text) };
    },
  );
  let title = '';

  return ({ status, reasons: texts, alerts }) => {
    const tone = toTone(status);
    setBadge(word, status);
    byId('why').dataset.tone = tone;
    reasons([...new Set(texts)].map((text) => ({ text })));

    const nextTitle = [status, ...(alerts > 0 ? [toCountText(alerts, 'alert')] : []), 'webdriver-supervisor'].join(
      ' · ',
    );
    if (nextTitle === title) return;
    title = nextTitle;
    document.title = title;
    byId('favicon').href = toFavicon(tone);
  };
}

/** Who does the monitor's work, and when it last did. */
export function makeFactsView() {
  const host = byId('facts');
  const facts = makeKeyedList(
    host,
    ({ label }) => label,
    () => {
      const label = element('dt');
      const text = foreignText('fact-text');
      const time = element('time');
      const value = element('dd', {}, text, time);
      return {
        node: element('div', {}, label, value),
        update: ({ label: name, text: said, at, tone }) => {
          setText(label, name);
          setForeignText(text, said);
          setAttribute(value, 'data-tone', tone);
          time.hidden = at === undefined;
          setTime(time, at ?? null, { none: '' });
        },
      };
    },
  );

  return ({ registry, leader, sweeper, cleanup, thresholds, sessions }) =>
    facts([
      { label: 'Registry', text: registry.place, tone: registry.ok ? 'good' : 'bad' },
      { label: 'Leader', ...tellLeader(leader) },
      { label: 'Sweeper', ...tellJob(sweeper, 'AUTO_TIMEOUT_ENABLED') },
      { label: 'Cleanup', ...tellJob(cleanup) },
      {
        label: 'Without progress',
        text: `warned after ${thresholds.warning_minutes} min, ended after ${thresholds.timeout_minutes}`,
      },
      ...(sessions ? [{ label: 'On record', text: toCountText(sessions.total_sessions, 'session') }] : []),
    ]);
}

/** Links to the sections, each with the number that matters there. */
export function makeTilesView() {
  const tiles = makeKeyedList(
    byId('tiles'),
    ({ key }) => key,
    () => {
      const value = element('strong');
      const label = element('span');
      const node = element('a', { class: 'tile' }, value, ' ', label);
      return {
        node,
        update: ({ href, number, text, tone }) => {
          setAttribute(node, 'href', href);
          setAttribute(node, 'data-tone', tone);
          setText(value, number === null ? '–' : toNumberText(number));
          setText(label, text);
        },
      };
    },
  );
  return tiles;
}

export function makeAlertsView({ copy }) {
  const host = byId('alerts');
  const list = makeKeyedList(
    host.querySelector('.alerts'),
    ({ key }) => key,
    () => makeAlert(copy),
  );
  return (alerts) => {
    const worstFirst = [...alerts].sort(
      (one, other) => rank(one) - rank(other) || Date.parse(other.since) - Date.parse(one.since),
    );
    list(worstFirst);
    host.querySelector('.empty').hidden = alerts.length > 0;
  };
}

function makeAlert(copy) {
  const severity = badge();
  const message = element('p', { class: 'alert-message clamp', dir: 'auto' });
  const rule = element('span', { class: 'id' });
  const owner = foreignText();
  const since = element('time');
  const about = element('p', { class: 'meta' }, rule, owner, element('span', {}, 'for ', since));
  const command = element('code', { class: 'command' });
  const copyButton = element('button', { type: 'button', class: 'button' }, 'Copy');
  copyButton.addEventListener('click', () => void copy(command.textContent, copyButton));
  const next = element('p', { class: 'next' }, element('span', {}, 'Next'), command, copyButton);
  const node = element(
    'li',
    { class: 'alert' },
    severity,
    element('div', { class: 'alert-body' }, message, about, next),
  );
  return {
    node,
    update: (alert) => {
      node.dataset.tone = toTone(alert.severity);
      setBadge(severity, alert.severity);
      setForeignText(message, alert.message);
      setText(rule, alert.rule);
      setForeignText(owner, alert.owner);
      owner.hidden = alert.owner === null;
      setTime(since, alert.since, { as: 'for' });
      next.hidden = alert.next === null;
      setText(command, alert.next ?? '');
      setAttribute(copyButton, 'aria-label', `Copy the command ${alert.next ?? ''}`);
    },
  };
}

const rank = ({ severity }) => (severity === 'critical' ? 0 : 1);

function tellLeader({ is_leader: isLeader, holder }) {
  if (isLeader) return { text: 'this monitor', tone: 'good' };
  return holder === null ? { text: 'nobody', tone: 'warn' } : { text: holder, tone: 'quiet' };
}

function tellJob({ enabled, last_at: lastAt }, setting) {
  if (!enabled) return { text: setting === undefined ? 'switched off' : `switched off (${setting})`, tone: 'warn' };
  return lastAt === null ? { text: 'not yet', tone: 'quiet' } : { text: '', at: lastAt, tone: 'good' };
}

function toFavicon(tone) {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="${ICON_COLOURS[tone]}">${ICON_SHAPES[tone]}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
