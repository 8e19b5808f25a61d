/**
 * Facts about a document that only its page has. They are read only from pages that commands may have changed or that may have answered a
 * POST.
 */
import { settlesWithin } from '../../core/abort.ts';
import type { DevTools } from '../devtools.ts';

/** The time limit for the answer of a page. */
const ANSWER_LIMIT_MS = 500;

export interface PageFacts {
  /** The number of redirects to the document if all of them stayed on its origin, otherwise 0. */
  readonly redirects: number;
  /** A hash of the visible text and of the form fields. */
  readonly fingerprint: string;
}

/** A value that is never equal to the fingerprint of a page. */
export const UNKNOWN_FINGERPRINT = 'unknown';

/**
 * A script expression that returns the facts. It first lets the page start what its last events requested, such as the submission of a
 * form. The fingerprint is FNV-1a over the text that is not code and over the form fields. Hidden fields and passwords are omitted: hidden
 * fields often contain tokens that differ on each load.
 */
export const PAGE_FACTS = `new Promise((resolve) => setTimeout(resolve)).then(() => {
  let hash = 0x811c9dc5;
  const add = (text) => { for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193); };
  const skipped = /^(SCRIPT|STYLE|NOSCRIPT|TEMPLATE)$/i;
  // A filter function would be called for each node, which takes five times as long (measured).
  const walker = document.createTreeWalker(document.body ?? document, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode())
    if (!skipped.test(node.parentNode.nodeName)) add(node.data.trim());
  for (const field of document.querySelectorAll('input, textarea, select')) {
    const { type, value } = field;
    if (type === 'password') add('password' + value.length);
    else if (type === 'checkbox' || type === 'radio') add(type + '=' + field.checked);
    else if (type !== 'hidden') add(type + '=' + value);
  }
  const [navigation] = performance.getEntriesByType('navigation');
  return { redirects: navigation?.redirectCount ?? 0, fingerprint: (hash >>> 0).toString(16) };
})`;

/** Returns the page's facts; undefined if the page does not answer in time because it is busy or shows an alert. */
export async function readPageFacts(devtools: DevTools, handle: string): Promise<PageFacts | undefined> {
  const call = devtools.callPage(handle, 'Runtime.evaluate', {
    expression: PAGE_FACTS,
    awaitPromise: true,
    returnByValue: true,
    timeout: ANSWER_LIMIT_MS,
  });
  if (!(await settlesWithin(call, ANSWER_LIMIT_MS))) return undefined;
  try {
    const { result } = (await call) as { result?: { value?: PageFacts } };
    return result?.value;
  } catch {
    // The page is gone or is being left, so nothing is known about it.
    return undefined;
  }
}
