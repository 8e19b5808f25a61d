/** The monitor's token, stored for this tab until it is closed. It is sent only in a header, never as a part of a URL or as a cookie. */

const KEY = 'monitor-token';
/** The characters that a header may contain. */
const PRINTABLE = /^[\x21-\x7e]+$/;

/** @param {string} text */
export const isUsableToken = (text) => PRINTABLE.test(text);

export const hasToken = () => sessionStorage.getItem(KEY) !== null;

/** @param {string} token */
export const setToken = (token) => sessionStorage.setItem(KEY, token);

/**
 * Returns the headers of every request.
 * @param {string | null} [token] default: the stored one
 * @returns {Record<string, string>}
 */
export function authorization(token = sessionStorage.getItem(KEY)) {
  return token === null ? {} : { authorization: `Bearer ${token}` };
}
