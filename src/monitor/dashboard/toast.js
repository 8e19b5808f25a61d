/** Shows the result of an action once, on the page and to screen readers. Copies commands, and shows the result in the same way. */
import { byId } from './drawing.js';

const SHOWN_MS = 8_000;

const toast = byId('toast', HTMLElement);
const text = byId('toast-text', HTMLElement);
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

byId('toast-close', HTMLElement).addEventListener('click', hide);

function hide() {
  toast.hidden = true;
  text.textContent = '';
}

/**
 * Shows a message. A failure stays until the user dismisses it.
 * @param {string} message
 * @param {'good' | 'bad'} tone
 */
export function announce(message, tone) {
  clearTimeout(timer);
  toast.hidden = false;
  toast.dataset['tone'] = tone;
  text.textContent = message;
  if (tone !== 'bad') timer = setTimeout(hide, SHOWN_MS);
}

/** @param {string} command */
export async function copy(command) {
  try {
    await write(command);
  } catch {
    announce(`Could not copy. The command is: ${command}`, 'bad');
    return;
  }
  announce(`Copied: ${command}`, 'good');
}

/**
 * Writes to the clipboard. Its API exists only on loopback and HTTPS. For a monitor that is reached by plain HTTP, an older command is used.
 * @param {string} command
 */
async function write(command) {
  if (navigator.clipboard !== undefined) {
    await navigator.clipboard.writeText(command);
    return;
  }
  const focused = document.activeElement;
  const area = document.createElement('textarea');
  area.className = 'hidden';
  area.setAttribute('aria-hidden', 'true');
  area.value = command;
  document.body.append(area);
  area.select();
  const isDone = document.execCommand('copy');
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  if (!isDone) throw new Error('refused');
}
