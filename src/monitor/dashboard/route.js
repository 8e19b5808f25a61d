/** Selects the page by the hash of the address: `#/runs/<id>`, `#/runs?…`, `#/sessions?…`, otherwise the overview. */

/** @typedef {{ page: 'overview' | 'run' | 'runs' | 'sessions', id: string, query: URLSearchParams }} Route */

export const route = toRoute();

/** @param {() => void} listener called when another page is shown */
export function onRoute(listener) {
  addEventListener('hashchange', () => {
    Object.assign(route, toRoute());
    listener();
  });
}

/** @returns {Route} */
function toRoute() {
  const [, list, id = '', text = ''] = /^#\/(runs|sessions)(?:\/([^?]+))?(?:\?(.*))?$/s.exec(location.hash) ?? [];
  const query = new URLSearchParams(text);
  if (list === undefined || (list === 'sessions' && id !== '')) return { page: 'overview', id: '', query };
  if (list === 'sessions') return { page: 'sessions', id, query };
  return { page: id === '' ? 'runs' : 'run', id: decode(id), query };
}

/** @param {string} text of an address, which the user may have typed */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * @param {string} path such as `runs`
 * @param {Record<string, string | null>} [query] empty values are left out
 */
export function toHref(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value);
  const text = new URLSearchParams(/** @type {[string, string][]} */ (given)).toString();
  return `#/${path}${text === '' ? '' : `?${text}`}`;
}

/**
 * @param {string} id
 * @param {Record<string, string | null>} [query]
 */
export const toRunHref = (id, query) => toHref(`runs/${encodeURIComponent(id)}`, query);
