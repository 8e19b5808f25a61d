/** How an action went, said once, on the page and to screen readers; and copying, which reports there too. */
import { byId, element, setText } from './dom.js';

const SHOWN_MS = 8_000;
const COPIED_MS = 2_000;

export function makeToast() {
  const toast = byId('toast');
  const text = byId('toast-text');
  let timer;
  const hide = () => {
    toast.hidden = true;
    setText(text, '');
  };
  byId('toast-close').addEventListener('click', hide);

  /** Failures stay until they are dismissed. */
  return (message, tone) => {
    clearTimeout(timer);
    toast.hidden = false;
    toast.dataset.tone = tone;
    setText(text, message);
    if (tone !== 'bad') timer = setTimeout(hide, SHOWN_MS);
  };
}

/** @param {(text: string, tone: string) => void} announce */
export function makeCopy(announce) {
  return async (text, button) => {
    try {
      await write(text, button);
    } catch {
      announce(`Could not copy. The command is: ${text}`, 'bad');
      return;
    }
    const label = button.dataset.text ?? button.textContent;
    button.dataset.text = label;
    setText(button, 'Copied');
    announce(`Copied: ${text}`, 'good');
    setTimeout(() => setText(button, label), COPIED_MS);
  };
}

/** The clipboard's interface is there on loopback and HTTPS only; the older way serves a monitor that is reached by plain HTTP. */
async function write(text, button) {
  if (navigator.clipboard !== undefined) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = element('textarea', { class: 'hidden', 'aria-hidden': 'true' });
  area.value = text;
  document.body.append(area);
  area.select();
  const isDone = document.execCommand('copy');
  area.remove();
  button.focus();
  if (!isDone) throw new Error('refused');
}
