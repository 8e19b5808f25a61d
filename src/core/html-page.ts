/** The frame and the style that all HTML files share. A file opens without a server, loads nothing and runs no script. */
import { html, toTrusted, type HtmlValue } from './html.ts';

const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
/** The colours are those of the monitor's page. */
const STYLE = `
:root { color-scheme: light dark; --page: #f4f5f7; --surface: #fff; --line: #dfe3e8; --line-strong: #8a94a3; --text: #181c22;
  --muted: #545e6c; --accent: #2358c9; --accent-soft: #b9cdf5; --good: #14693c; --good-soft: #e6f4ec; --warn: #7d4f00;
  --warn-soft: #fdf1d9; --bad: #b01e2a; --bad-soft: #fdeaea; --quiet-soft: #eef0f3;
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
@media (prefers-color-scheme: dark) { :root { --page: #0e1115; --surface: #161a20; --line: #2a313b; --line-strong: #6d7887;
  --text: #e4e8ee; --muted: #9ca7b6; --accent: #7ea8ff; --accent-soft: #2d4272; --good: #6cd49a; --good-soft: #14301f;
  --warn: #f0bd5c; --warn-soft: #362709; --bad: #ff8d8a; --bad-soft: #3d1719; --quiet-soft: #242a33; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); overflow-wrap: anywhere;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif; }
main { max-width: 78rem; margin: 0 auto; padding: 1.5rem clamp(.75rem, 3vw, 2rem) 3rem; }
h1 { font-size: 1.6rem; line-height: 1.25; letter-spacing: -.01em; margin: .25rem 0; text-wrap: balance; }
h2 { font-size: 1.05rem; margin: 0 0 .75rem; }
h3 { font-size: .95rem; margin: 1.25rem 0 .5rem; }
p { margin: .5rem 0; }
a { color: var(--accent); text-underline-offset: .15em; }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
code, pre { font-family: var(--mono); font-size: .9em; }
img { border: 1px solid var(--line); height: auto; max-width: 100%; }
section { background: var(--surface); border: 1px solid var(--line); border-radius: 8px; margin: 1rem 0 0; padding: 1rem 1.25rem; }
.muted { color: var(--muted); }
.failed { border-left: 5px solid var(--bad); }
.warned { border-left: 5px solid var(--warn); }
.ok { border-left: 5px solid var(--good); }
.failed > p:first-of-type > strong, .bad { color: var(--bad); }
.ok > p:first-of-type > strong, .good { color: var(--good); }
.warn { color: var(--warn); }
@media (max-width: 40rem) { section { padding: .75rem .875rem; } h1 { font-size: 1.35rem; } }
@media print { body { background: none; } section { break-inside: avoid; } }`;

export interface HtmlPage {
  readonly title: string;
  /** The content of the page, beginning with its `h1`. */
  readonly body: HtmlValue;
  /** Further rules of CSS: a constant of this program. */
  readonly style?: string;
  /** Facts for programs: the name of a `meta` element -> its content. */
  readonly facts?: Readonly<Record<string, string>>;
}

/** Returns the text of the file. */
export function toHtmlPage({ title, body, style = '', facts = {} }: HtmlPage): string {
  const metas = Object.entries({ generator: 'webdriver-supervisor', ...facts });
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
        ${metas.map(([name, content]) => html`<meta name="${name}" content="${content}" /> `)}
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="referrer" content="no-referrer" />
        <title>${title}</title>
        <style>
          ${toTrusted(STYLE + style)}
        </style>
      </head>
      <body>
        <main>${body}</main>
      </body>
    </html> `.text;
}
