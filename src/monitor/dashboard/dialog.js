/** The dialog that asks before each change. It names the change, the affected runs and sessions, and the way to continue later. */
import { ApiError, postJson } from './api.js';
import { byId } from './drawing.js';
import { toCountText, toSpanText } from './format.js';
import { html, render } from './lit.js';
import { announce } from './toast.js';

/** @import { Answer, Run, Session } from './api.js' */

/**
 * @typedef {object} Question
 * @property {string} title
 * @property {string[]} text
 * @property {string[]} [items]
 * @property {string} confirm
 * @property {string} path
 * @property {object} [body]
 * @property {string} done
 */

const MAX_ITEMS = 8;

const dialog = byId('dialog', HTMLDialogElement);
/** @type {Question | undefined} */
let asked;
let isBusy = false;
let error = '';
let onDone = () => {};

/** @param {() => void} listener called when something has changed */
export function onChange(listener) {
  onDone = listener;
}

/** @param {Session} session */
export function askToEnd({ id, owner, host, run_id: runId }) {
  ask({
    title: 'End this session?',
    text: [
      `The browser session of “${owner}” on ${host} will be ended.`,
      ...(runId === null ? [] : [`Run ${runId} is using it.`]),
    ],
    confirm: 'End session',
    path: `/sessions/${encodeURIComponent(id)}/end`,
    done: `The session of ${owner} is being ended.`,
  });
}

/** @param {Run} run */
export function askToCancel({ id, action, owner, counts, resume }) {
  ask({
    title: 'Cancel this run?',
    text: [
      `${action} of “${owner}” will be cancelled. ${toCountText(counts.done, 'step')} done so far will be kept.`,
      `To continue later: ${resume ?? ''}`,
    ],
    confirm: 'Cancel run',
    path: `/runs/${encodeURIComponent(id)}/cancel`,
    done: `${action} of ${owner} is being cancelled.`,
  });
}

/**
 * @param {readonly Answer<'stuckSession'>[]} stuck
 * @param {{ isAll?: boolean }} [options] `isAll`: also work that gets stuck before the answer
 */
export function askToReset(stuck, { isAll = false } = {}) {
  const number = toCountText(stuck.length, 'stuck session');
  ask({
    title: isAll ? `Reset all ${number}?` : 'Reset this stuck session?',
    text: [
      'Each will be marked as timed out and its browser ended. Data is kept; a run can be resumed.',
      ...(isAll ? ['What gets stuck until then is reset as well.'] : []),
    ],
    items: stuck.map(
      ({ owner, action, last_progress_at: at }) =>
        `${owner}${action === null ? '' : `: ${action}`}, without progress for ${toSpanText(at)}`,
    ),
    confirm: isAll ? 'Reset all' : 'Reset',
    path: '/reset-stuck',
    body: isAll ? {} : { ids: stuck.map(({ id, run_id: runId }) => id ?? runId) },
    done: `Reset ${number}.`,
  });
}

/** @param {Question} question */
function ask(question) {
  if (isBusy) return;
  asked = question;
  error = '';
  draw();
  dialog.showModal();
  byId('dialog-cancel', HTMLElement).focus();
}

async function send() {
  if (asked === undefined || isBusy) return;
  isBusy = true;
  error = '';
  draw();
  try {
    await postJson(asked.path, asked.body ?? {});
    dialog.close();
    announce(asked.done, 'good');
    onDone();
  } catch (failure) {
    if (!(failure instanceof ApiError)) throw failure;
    // If the dialog was closed in the meantime, the message is shown as a toast.
    if (dialog.open) error = failure.message;
    else announce(failure.message, 'bad');
  } finally {
    isBusy = false;
    draw();
  }
}

function draw() {
  if (asked === undefined) return;
  const { title, text, items = [], confirm } = asked;
  const more = items.length > MAX_ITEMS ? [`and ${items.length - MAX_ITEMS} more`] : [];
  const shown = [...items.slice(0, MAX_ITEMS), ...more];
  const onSubmit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    void send();
  };
  render(
    html`<form method="dialog" @submit=${onSubmit}>
      <h2 id="dialog-title">${title}</h2>
      <div id="dialog-text">${text.map((line) => html`<p dir="auto">${line}</p>`)}</div>
      <ul class="dialog-items" ?hidden=${items.length === 0}>
        ${shown.map((item) => html`<li dir="auto" title=${item}>${item}</li>`)}
      </ul>
      <p class="dialog-error" role="alert">${error}</p>
      <div class="dialog-buttons">
        <button type="button" class="button" id="dialog-cancel" @click=${() => dialog.close()}>Keep as it is</button>
        <button type="submit" class="button button-danger" id="dialog-confirm" ?disabled=${isBusy}>
          ${isBusy ? 'Asking…' : confirm}
        </button>
      </div>
    </form>`,
    dialog,
  );
}
