/** The monitor's token, kept for this tab until it is closed. It is sent in a header alone, never as a part of a URL or as a cookie. */

const KEY = 'monitor-token';
/** The characters that a header can carry. */
const PRINTABLE = /^[\x21-\x7e]+$/;

export const isUsableToken = (text) => PRINTABLE.test(text);

export const hasToken = () => sessionStorage.getItem(KEY) !== null;

export const setToken = (token) => sessionStorage.setItem(KEY, token);

/** @returns {Record<string, string>} the headers that every request has; `token` overrides the one that is kept */
export function authorization(token = sessionStorage.getItem(KEY)) {
  return token === null ? {} : { authorization: `Bearer ${token}` };
}
