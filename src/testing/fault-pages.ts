/** The delay of a loop after the page's load event. It is longer than chromedriver needs to report the page as loaded. */
const LOOP_AFTER_MS = 200;

/** Reports to the site and then loops. The beacon arrives although the page never responds again. */
const LOOP = "navigator.sendBeacon('/loop-begun'); while (true);";

/** The faulty pages of a fault site by their path, with their HTML. */
export const FAULT_PAGES: Readonly<Record<string, string>> = {
  '/': page('fault site', '<a href="/ok">ok</a>'),
  '/ok': page('ok', '<h1>ok</h1><a id="link" href="/ok?again">again</a>'),
  // The loop must not start directly after load: chromedriver would not be finished, and POST /url itself would hang beyond its own
  // timeout.
  '/loop': page(
    'loop',
    `<script>addEventListener('load', () => setTimeout(() => { ${LOOP} }, Number(new URLSearchParams(location.search).get('after') ?? ${LOOP_AFTER_MS})));</script>`,
  ),
  '/loop-inline': page('loop-inline', `<script>${LOOP}</script>`),
  '/alert': page('alert', '<script>addEventListener("load", () => setTimeout(() => alert("boo"), 0));</script>'),
  '/script-error': page('script-error', '<script>throw new Error("a broken page script");</script>'),
  // Chromium allows this only in windows that a script opened; a tab of WebDriver's POST /window/new stays open.
  '/close': page('close', '<script>addEventListener("load", () => setTimeout(() => window.close(), 0));</script>'),
};

/** Returns a small HTML page with a title. */
export function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title><link rel="icon" href="data:,"></head><body>${body}</body></html>`;
}
