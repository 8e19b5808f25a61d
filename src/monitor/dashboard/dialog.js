/**
 * Whatever changes something asks first: one dialog that says what will happen and takes the monitor's token. The token lives in this
 * closure only, until the page is closed; it is never part of a URL.
 */
import { ApiError, postJson } from './api.js';
import { byId, element, setText } from './dom.js';

const UNAUTHORIZED = 401;
const MAX_ITEMS = 8;
/** What a header can carry. */
const PRINTABLE = /^[\x21-\x7e]+$/;

/**
 * @param {(text: string, tone: string) => void} announce
 * @param {() => void} onDone something has changed
 */
export function makeDialog({ announce, onDone }) {
  const dialog = byId('dialog');
  const field = byId('token-field');
  const input = byId('token');
  const kept = byId('token-kept');
  const error = byId('dialog-error');
  const confirm = byId('dialog-confirm');
  let token = null;
  let asked;
  let isBusy = false;

  function showToken() {
    field.hidden = token !== null;
    kept.hidden = token === null;
    input.disabled = token !== null;
    input.value = '';
  }

  function forgetToken() {
    token = null;
    showToken();
    input.focus();
  }

  function setBusy(busy) {
    isBusy = busy;
    confirm.disabled = busy;
    setText(confirm, busy ? 'Asking…' : asked.confirm);
  }

  async function send() {
    const { path, body, done } = asked;
    const attempted = token ?? input.value.trim();
    if (!PRINTABLE.test(attempted)) {
      setText(error, 'A token consists of letters, digits and signs, without spaces.');
      return;
    }
    setText(error, '');
    setBusy(true);
    try {
      const answer = await postJson(path, { token: attempted, body });
      token = attempted;
      dialog.close();
      announce(typeof answer.message === 'string' ? answer.message : done, 'good');
      onDone();
    } catch (failure) {
      if (failure instanceof ApiError && failure.status === UNAUTHORIZED) forgetToken();
      // Closed while it was under way: the page still has to say how it went.
      if (dialog.open) setText(error, failure.message);
      else announce(failure.message, 'bad');
    } finally {
      setBusy(false);
    }
  }

  byId('dialog-form').addEventListener('submit', (event) => {
    event.preventDefault();
    if (!isBusy) void send();
  });
  byId('dialog-cancel').addEventListener('click', () => dialog.close());
  byId('token-change').addEventListener('click', forgetToken);
  dialog.addEventListener('close', () => (input.value = ''));

  /** @param {{ title: string, text: string[], items?: string[], confirm: string, path: string, body?: object, done: string }} question */
  return (question) => {
    if (isBusy) return;
    asked = question;
    setText(byId('dialog-title'), question.title);
    byId('dialog-text').replaceChildren(...question.text.map((text) => element('p', { dir: 'auto' }, text)));
    showItems(question.items ?? []);
    setText(confirm, question.confirm);
    setText(error, '');
    showToken();
    dialog.showModal();
    (token === null ? input : byId('dialog-cancel')).focus();
  };
}

function showItems(items) {
  const list = byId('dialog-items');
  const more = items.length > MAX_ITEMS ? [`and ${items.length - MAX_ITEMS} more`] : [];
  list.hidden = items.length === 0;
  const texts = [...items.slice(0, MAX_ITEMS), ...more];
  list.replaceChildren(...texts.map((text) => element('li', { dir: 'auto', title: text }, text)));
}
