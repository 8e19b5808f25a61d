/**
 * Finds out whether a picture of a page may be taken. A picture must not show a password or another secret, also if the page shows it as
 * plain text.
 */
import { maskSecrets } from '../../core/secrets.ts';
import type { DevTools } from '../devtools.ts';

/** The time limit of a question to a page. A page that is busy for longer gets no picture. */
const ASK_LIMIT_MS = 2_000;
const WORLD_NAME = 'webdriver-supervisor';
/** A page that is larger gets no picture, because reading it would delay its own scripts. Reading 20 000 elements takes some 15 ms. */
const MAX_ELEMENTS = 20_000;
const MAX_TEXT_LENGTH = 400_000;
/** The time in milliseconds that the screen may lag behind the document. */
export const SETTLE_MS = 100;

/**
 * The source of a function that returns the text of the page, and the time that it took. The text is null if the page has something that must
 * not be shown, or if that is not known. The function runs in an isolated world, which shares only the document with the page, so that the
 * page can't notice it.
 *
 * - A text may still be on the screen for a moment after it was removed, also by a navigation. The document must have been painted before.
 * - A field counts as secret if it is or was one for passwords, if its name says so, or if it has a text that a password field had.
 * - The content of a frame of another origin, or of an `object` that can't be read, is not known.
 */
const READ_TEXT = String.raw`() => {
  const startedAt = performance.now();
  const world = (globalThis.world ??= { fields: new WeakSet(), values: new Set(), roots: new WeakSet() });
  const [paint] = performance.getEntriesByName('first-contentful-paint');
  const isPainted = paint !== undefined && performance.now() - paint.startTime >= ${SETTLE_MS};
  if (document.hidden || !isPainted || document.getElementsByTagName('*').length > ${MAX_ELEMENTS})
    return { text: null, tookMs: 0 };
  const codeNames = new Set(['script', 'style', 'noscript', 'template']);
  const fieldNames = new Set(['input', 'textarea']);
  const frameNames = new Set(['iframe', 'frame', 'fencedframe', 'object', 'embed']);
  let text = '';
  const isSecret = (field) => {
    if (field.type === 'password') world.fields.add(field);
    if (field.value === '') return false;
    if (field.type === 'password') world.values.add(field.value);
    if (world.fields.has(field) || world.values.has(field.value)) return true;
    const names = [field.name, field.id, field.placeholder, field.getAttribute('autocomplete')];
    return /pass|pwd|kennwort|contrase|senha|secret|token|otp|one-time|\bpin\b|cvc|cvv|cc-|card|iban/i.test(names.join(' '));
  };
  const canRead = (root) => {
    if (!world.roots.has(root)) {
      world.roots.add(root);
      new MutationObserver((changes) => {
        for (const { target, oldValue } of changes) if (oldValue === 'password') world.fields.add(target);
      }).observe(root, { subtree: true, attributeFilter: ['type'], attributeOldValue: true });
      root.addEventListener('input', (event) => {
        const [field] = event.composedPath();
        if (field.type === 'password') world.values.add(field.value);
      }, { capture: true, passive: true });
    }
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (node.nodeType === Node.TEXT_NODE) {
        if (!codeNames.has(node.parentNode.localName)) text += node.data;
      } else if (fieldNames.has(node.localName)) {
        if (isSecret(node)) return false;
        text += '\n' + node.value + '\n';
      } else if (frameNames.has(node.localName)) {
        const { width, height } = node.getBoundingClientRect();
        if (width < 2 || height < 2) continue;
        if (!node.contentDocument || !canRead(node.contentDocument)) return false;
      } else if (node.shadowRoot && !canRead(node.shadowRoot)) return false;
    }
    return true;
  };
  const isKnown = canRead(document) && text.length <= ${MAX_TEXT_LENGTH};
  return { text: isKnown ? text : null, tookMs: performance.now() - startedAt };
}`;

/** The text of one page, over its documents. */
export class ShownText {
  readonly #handle: string;
  /** The id of the isolated world in the current document; undefined before the first question to it. */
  #world: number | undefined;
  #tookMs = 0;

  constructor(handle: string) {
    this.#handle = handle;
  }

  get handle(): string {
    return this.#handle;
  }

  /** The time in milliseconds that the page spent on the last question. */
  get tookMs(): number {
    return this.#tookMs;
  }

  /** Returns whether the page shows no secret now, as far as is known. Rejects if the page does not answer or has left its document. */
  async hasNoSecret(devtools: DevTools): Promise<boolean> {
    try {
      this.#world ??= await this.#makeWorld(devtools);
      const params = { expression: `(${READ_TEXT})()`, contextId: this.#world, returnByValue: true };
      const answer = await devtools.callPage(this.#handle, 'Runtime.evaluate', params, { limitMs: ASK_LIMIT_MS });
      const { result } = answer as { result: { value?: { readonly text: string | null; readonly tookMs: number } } };
      const { text = null, tookMs = 0 } = result.value ?? {};
      this.#tookMs = tookMs;
      return text !== null && maskSecrets(text) === text;
    } catch (thrown) {
      this.#world = undefined;
      throw thrown;
    }
  }

  /** In Chromium the main frame of a page has the page's target id, which is its window handle. */
  async #makeWorld(devtools: DevTools): Promise<number> {
    const params = { frameId: this.#handle, worldName: WORLD_NAME };
    const made = await devtools.callPage(this.#handle, 'Page.createIsolatedWorld', params, { limitMs: ASK_LIMIT_MS });
    return (made as { executionContextId: number }).executionContextId;
  }
}
