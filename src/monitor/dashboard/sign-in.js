/** Asks for the token when the monitor requires one. The page is loaded again when the token is accepted. */
import { ApiError, getJson, onTokenNeeded } from './api.js';
import { byId } from './drawing.js';
import { hasToken, isUsableToken, setToken } from './token.js';

const dialog = byId('sign-in', HTMLDialogElement);
const input = byId('token', HTMLInputElement);
const error = byId('sign-in-error', HTMLElement);
const confirm = byId('sign-in-confirm', HTMLButtonElement);

/** Returns whether the dialog asks for the token. Requests would be refused in the meantime. */
export const isSigningIn = () => dialog.open;

export function watchSignIn() {
  onTokenNeeded(() => {
    if (dialog.open) return;
    error.textContent = hasToken() ? 'The token is not valid any more.' : '';
    dialog.showModal();
    input.focus();
  });
  // The dialog can't be closed, because every request of the page needs the token.
  dialog.addEventListener('cancel', (event) => event.preventDefault());
  byId('sign-in-form', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    if (!confirm.disabled) void signIn(input.value.trim());
  });
}

/** @param {string} token */
async function signIn(token) {
  if (!isUsableToken(token)) {
    error.textContent = 'A token consists of letters, digits and signs, without spaces.';
    return;
  }
  error.textContent = '';
  confirm.disabled = true;
  try {
    await getJson('/openapi.json', { token });
    setToken(token);
    location.reload();
  } catch (failure) {
    if (!(failure instanceof ApiError)) throw failure;
    error.textContent = failure.message;
    input.value = '';
    input.focus();
  } finally {
    confirm.disabled = false;
  }
}
