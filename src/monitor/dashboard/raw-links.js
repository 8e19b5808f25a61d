/** The links to the data. A navigation can't carry the token: if there is one, the data are fetched, and shown in this tab. */
import { getText } from './api.js';
import { hasToken } from './token.js';

/** @param {(text: string, tone: string) => void} announce */
export function watchRawLinks(announce) {
  for (const link of document.querySelectorAll('.foot a')) {
    link.addEventListener('click', (event) => {
      if (!hasToken()) return;
      event.preventDefault();
      getText(link.pathname).then(
        (text) => location.assign(URL.createObjectURL(new Blob([text], { type: 'text/plain' }))),
        (failure) => announce(failure.message, 'bad'),
      );
    });
  }
}
