/** The view library. The monitor serves it from its own `node_modules`; no other module contains its URL. */
export { html, nothing, render, svg } from '/dashboard/vendor/lit-html/lit-html.js';
export { repeat } from '/dashboard/vendor/lit-html/directives/repeat.js';
