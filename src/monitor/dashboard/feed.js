/** The event feed: newest first, capped, drawn at most once a frame however fast events come. */
import { badge, byId, element, foreignText, makeKeyedList, setBadge, setForeignText, setText, setTime } from './dom.js';
import { toClockTime, toCountText, toFullTime, toWords } from './format.js';

const CAPACITY = 200;

const TONES = {
  session_starting: 'info',
  session_started: 'good',
  session_dead: 'bad',
  session_timeout: 'bad',
  session_expired: 'warn',
  run_started: 'info',
  run_resumed: 'info',
  run_cancel_requested: 'warn',
};
const RUN_ENDED_TONES = { completed: 'good', partial: 'warn', cancelled: 'quiet' };

export function makeFeed() {
  const host = byId('events');
  const filter = byId('owner-filter');
  const empty = host.querySelector('.empty');
  const emptyText = empty.textContent;
  const list = makeKeyedList(host.querySelector('.events'), ({ key }) => key, makeItem);
  const seen = new Set();
  let events = [];
  let isDrawing = false;
  let number = 0;

  function draw() {
    isDrawing = false;
    const wanted = filter.value.trim().toLowerCase();
    const shown = events.filter(({ owner }) => wanted === '' || (owner ?? '').toLowerCase().includes(wanted));
    list(shown);
    empty.hidden = shown.length > 0;
    setText(empty, events.length === 0 ? emptyText : `No event of an owner with “${filter.value.trim()}”.`);
    const isCut = shown.length < events.length;
    setText(
      host.querySelector('.note'),
      isCut ? `${shown.length} of ${events.length}` : toCountText(events.length, 'event'),
    );
  }

  function drawSoon() {
    if (isDrawing) return;
    isDrawing = true;
    requestAnimationFrame(draw);
  }

  filter.addEventListener('input', drawSoon);
  draw();

  /** @returns whether it was new */
  return (event, key) => {
    if (key !== '' && seen.has(key)) return false;
    seen.add(key);
    // After reconnecting, older ones may come after newer ones.
    const place = events.findIndex(({ timestamp }) => timestamp <= event.timestamp);
    events.splice(place === -1 ? events.length : place, 0, { ...event, key: key || `unnamed-${++number}` });
    for (const { key: dropped } of events.slice(CAPACITY)) seen.delete(dropped);
    events = events.slice(0, CAPACITY);
    drawSoon();
    return true;
  };
}

function makeItem() {
  const what = badge();
  const time = element('time');
  const owner = foreignText('cut event-owner');
  const message = foreignText('event-message clamp');
  const node = element('li', { class: 'event' }, element('div', { class: 'event-head' }, what, time), owner, message);
  return {
    node,
    update: (event) => {
      setBadge(what, event.type, { tone: toneOf(event), word: toWords(event.type) });
      setTime(time, null, { none: toClockTime(event.timestamp) });
      time.dateTime = event.timestamp;
      time.title = toFullTime(event.timestamp);
      setForeignText(owner, event.owner);
      owner.hidden = event.owner === null;
      const said = [event.status === null ? null : toWords(event.status), event.message];
      setForeignText(message, said.filter((text) => text !== null).join(': '));
      message.hidden = message.textContent === '';
    },
  };
}

function toneOf({ type, status }) {
  return type === 'run_ended' ? (RUN_ENDED_TONES[status] ?? 'bad') : (TONES[type] ?? 'quiet');
}
