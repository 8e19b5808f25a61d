/** Longer than chromedriver needs to call a page loaded. */
const LOOP_AFTER_MS = 200;

/** Tells the site, which gets it although the page never comes to itself again, and then loops. */
const LOOP = "navigator.sendBeacon('/loop-begun'); while (true);";

/** The misbehaving pages of a fault site: their path, and what a browser gets there. */
export const FAULT_PAGES: Readonly<Record<string, string>> = {
  '/': page('fault site', '<a href="/ok">ok</a>'),
  '/ok': page('ok', '<h1>ok</h1><a id="link" href="/ok?again">again</a>'),
  // Not at once after load: chromedriver would still be settling, and POST /url itself would hang, beyond its own timeout.
  '/loop': page(
    'loop',
    `<script>addEventListener('load', () => setTimeout(() => { ${LOOP} }, Number(new URLSearchParams(location.search).get('after') ?? ${LOOP_AFTER_MS})));</script>`,
  ),
  '/loop-inline': page('loop-inline', `<script>${LOOP}</script>`),
  '/alert': page('alert', '<script>addEventListener("load", () => setTimeout(() => alert("boo"), 0));</script>'),
  '/script-error': page('script-error', '<script>throw new Error("a broken page script");</script>'),
  // Chromium allows it to windows that a script opened; a tab of WebDriver's POST /window/new stays.
  '/close': page('close', '<script>addEventListener("load", () => setTimeout(() => window.close(), 0));</script>'),
};

/** A small HTML page with a title. */
export function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title><link rel="icon" href="data:,"></head><body>${body}</body></html>`;
}
