/** Asks for the monitor's token as soon as an answer says that it is needed. The page begins anew with the right one. */
import { ApiError, getJson, onTokenNeeded } from './api.js';
import { byId, setText } from './dom.js';
import { hasToken, isUsableToken, setToken } from './token.js';

const dialog = byId('sign-in');
const input = byId('token');
const error = byId('sign-in-error');
const confirm = byId('sign-in-confirm');

/** While the token is asked for, requests are in vain. */
export const isSigningIn = () => dialog.open;

export function watchSignIn() {
  onTokenNeeded(() => {
    if (dialog.open) return;
    setText(error, hasToken() ? 'The token is no longer the right one.' : '');
    dialog.showModal();
    input.focus();
  });
  // Without the token there is nothing to go back to.
  dialog.addEventListener('cancel', (event) => event.preventDefault());
  byId('sign-in-form').addEventListener('submit', (event) => {
    event.preventDefault();
    if (!confirm.disabled) void signIn(input.value.trim());
  });
}

async function signIn(token) {
  if (!isUsableToken(token)) {
    setText(error, 'A token consists of letters, digits and signs, without spaces.');
    return;
  }
  setText(error, '');
  confirm.disabled = true;
  try {
    await getJson('/openapi.json', { token });
    setToken(token);
    location.reload();
  } catch (failure) {
    if (!(failure instanceof ApiError)) throw failure;
    setText(error, failure.message);
    input.value = '';
    input.focus();
  } finally {
    confirm.disabled = false;
  }
}
