/** Everything that changes something asks first: one dialog that says what will happen. */
import { postJson } from './api.js';
import { byId, element, setText } from './dom.js';

const MAX_ITEMS = 8;

/**
 * @param {(text: string, tone: string) => void} announce
 * @param {() => void} onDone something has changed
 */
export function makeDialog({ announce, onDone }) {
  const dialog = byId('dialog');
  const error = byId('dialog-error');
  const confirm = byId('dialog-confirm');
  let asked;
  let isBusy = false;

  function setBusy(busy) {
    isBusy = busy;
    confirm.disabled = busy;
    setText(confirm, busy ? 'Asking…' : asked.confirm);
  }

  async function send() {
    const { path, body, done } = asked;
    setText(error, '');
    setBusy(true);
    try {
      const answer = await postJson(path, { body });
      dialog.close();
      announce(typeof answer.message === 'string' ? answer.message : done, 'good');
      onDone();
    } catch (failure) {
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

  /** @param {{ title: string, text: string[], items?: string[], confirm: string, path: string, body?: object, done: string }} question */
  return (question) => {
    if (isBusy) return;
    asked = question;
    setText(byId('dialog-title'), question.title);
    byId('dialog-text').replaceChildren(...question.text.map((text) => element('p', { dir: 'auto' }, text)));
    showItems(question.items ?? []);
    setText(confirm, question.confirm);
    setText(error, '');
    dialog.showModal();
    byId('dialog-cancel').focus();
  };
}

function showItems(items) {
  const list = byId('dialog-items');
  const more = items.length > MAX_ITEMS ? [`and ${items.length - MAX_ITEMS} more`] : [];
  list.hidden = items.length === 0;
  const texts = [...items.slice(0, MAX_ITEMS), ...more];
  list.replaceChildren(...texts.map((text) => element('li', { dir: 'auto', title: text }, text)));
}
