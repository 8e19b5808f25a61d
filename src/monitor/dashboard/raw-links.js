/** The links to raw data. A navigation can't send the token. If there is a token, the data are fetched and shown in this tab. */
import { ApiError, getText } from './api.js';
import { announce } from './toast.js';
import { hasToken } from './token.js';

/** @param {MouseEvent} event of a link to a path of the monitor */
export async function openRaw(event) {
  if (!hasToken() || !(event.currentTarget instanceof HTMLAnchorElement)) return;
  event.preventDefault();
  try {
    const text = await getText(event.currentTarget.pathname);
    location.assign(URL.createObjectURL(new Blob([text], { type: 'text/plain' })));
  } catch (failure) {
    if (!(failure instanceof ApiError)) throw failure;
    announce(failure.message, 'bad');
  }
}
