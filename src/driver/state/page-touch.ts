/** Determines from a command whether it may have changed the page, and whether it may have left something in the page's memory. */

/** Commands that may change a page without leaving it, scripts included. */
const PAGE_CHANGING_COMMANDS =
  /^POST \/(element\/\{id\}\/(click|clear|value)|actions|execute\/(sync|async)|alert\/(accept|text))$/;
/** Selenium's own scripts begin with a comment that names them (selenium-webdriver 4.49, lib/http.js). They change nothing. */
const ATOM = /^\s*\/\*\s*\w+\s*\*\//;
/**
 * Code that leaves a value in the page's memory: `window.seen = 1`, `window['a'].b += 1`, `addEventListener(…)`, a changed prototype.
 * Assigning a URL to `location` is not included.
 */
const MEMORY_CHANGING_CODE =
  /\b(window|globalThis|self)\s*(\.\s*(?!location\b)[\w$]+|\[[^\]]+\])+\s*(=(?![=>])|[-+*/%&|^?]{1,2}=(?!=)|\+\+|--)|\b(addEventListener|setInterval)\s*\(|\.prototype\b[^;=]*=(?![=>])|\bObject\s*\.\s*(assign|defineProperty)\s*\(\s*(window|globalThis|self)\b/;

export interface PageTouch {
  /** True if the page may look different. */
  readonly isTouched: boolean;
  /** True if a script has left something in the page's memory, which the page does not show. */
  readonly hasMemory: boolean;
}

export const UNTOUCHED: PageTouch = { isTouched: false, hasMemory: false };

/** Returns a new object for each command that may have changed the page, otherwise `before` itself. */
export function touch(before: PageTouch, label: string, data: unknown): PageTouch {
  if (label.startsWith('GET') || !PAGE_CHANGING_COMMANDS.test(label)) return before;
  const script = typeof data === 'object' && data !== null ? (Reflect.get(data, 'script') as unknown) : undefined;
  const isScript = typeof script === 'string';
  if (isScript && ATOM.test(script)) return before;
  return { isTouched: true, hasMemory: before.hasMemory || (isScript && MEMORY_CHANGING_CODE.test(script)) };
}
