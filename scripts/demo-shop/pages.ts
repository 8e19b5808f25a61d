import { drawPicture } from './pictures.ts';
import { makeRandom } from './random.ts';
import { CATEGORIES } from './words.ts';

const SHOP_NAME = 'Kaufladen';
/** The number of pages on either side of the current one in the pagination. */
const NEIGHBOUR_PAGES = 1;

const HEADER_LINKS = { '/catalog?page=1': 'Catalogue', '/about': 'About', '/contact': 'Contact' };
/** The links in the footer. The link to `/clearance` is broken on purpose, so that a link checker finds a broken link. */
const FOOTER_LINKS = { '/about': 'About', '/shipping': 'Shipping', '/contact': 'Contact', '/clearance': 'Clearance' };

/** The pages of text, by path. The footer links to all of them. */
export const INFO_PAGES: ReadonlyMap<string, string> = new Map([
  [
    '/about',
    makeInfoPage('About', [
      'A <i>Kaufladen</i> is a toy shop for children, with a counter, shelves and a till. This one is for programs.',
      'It runs on your own machine, accepts no connections from other machines, and sells nothing. Its products, delays and errors are generated from a seed, so that all data of a run can be checked.',
    ]),
  ],
  [
    '/shipping',
    makeInfoPage('Shipping', [
      'Orders are sent on the same day.',
      'Large stools are delivered in two parts. Plants are delivered separately.',
    ]),
  ],
  [
    '/contact',
    makeInfoPage('Contact', [
      'The counter is open every day from 9 to 18.',
      'If there is no answer, wait a moment and try again.',
    ]),
  ],
]);

export const NOT_FOUND_PAGE = makeInfoPage('Nothing on this shelf', [
  'There is no page at this address.',
  '<a class="button" href="/catalog?page=1">Go to the catalogue</a>',
]);

export function makeWelcomePage(shop: { pages: number; products: number }): string {
  const random = makeRandom(7);
  const shelf = CATEGORIES.map(
    ({ name, picture }) => `<li>${drawPicture(random, picture)}<span>${name}</span></li>`,
  ).join('');
  return makePage({
    title: `${SHOP_NAME}: a toy shop for programs`,
    main: `<main class="welcome">
      <div class="hero">
        <h1>Small goods,<br>neatly shelved.</h1>
        <p>${shop.products} products on ${shop.pages} pages, from mugs to milking stools. Come in and look around.</p>
        <p><a class="button" href="/catalog?page=1">Enter the shop</a></p>
      </div>
      <ul class="shelf" aria-label="Categories">${shelf}</ul>
    </main>`,
  });
}

/** Returns a listing page. Its grid is empty until `assets/catalog.js` has filled it and set `data-ready="true"`. */
export function makeCatalogPage(position: { page: number; pages: number }): string {
  return makePage({
    title: `Catalogue, page ${position.page} of ${position.pages} · ${SHOP_NAME}`,
    current: '/catalog?page=1',
    script: '/assets/catalog.js',
    main: `<main data-page="${position.page}" data-ready="false">
      <div class="title"><h1>Catalogue</h1><p>Page ${position.page} of ${position.pages}</p></div>
      <p class="status" role="status">Filling the shelves…</p>
      <div class="grid" aria-busy="true"></div>
      <noscript><p>The shelves are filled by a script. Please allow scripts for this page.</p></noscript>
      ${makePagination(position)}
    </main>`,
  });
}

function makePagination({ page, pages }: { page: number; pages: number }): string {
  const shown = Array.from({ length: pages }, (_, index) => index + 1).filter(
    (number) => number === 1 || number === pages || Math.abs(number - page) <= NEIGHBOUR_PAGES,
  );
  const numbers = shown.map((number, index) => {
    const gap = number - (shown[index - 1] ?? 0) > 1 ? '<li class="gap" aria-hidden="true">…</li>' : '';
    const current = number === page ? ' aria-current="page"' : '';
    return `${gap}<li><a href="/catalog?page=${number}"${current}>${number}</a></li>`;
  });
  const step = (number: number, rel: 'prev' | 'next', text: string): string =>
    number < 1 || number > pages
      ? `<span class="step" aria-hidden="true">${text}</span>`
      : `<a class="step" rel="${rel}" href="/catalog?page=${number}">${text}</a>`;
  return `<nav class="pagination" aria-label="Pages">
    ${step(page - 1, 'prev', '← Previous')}<ol>${numbers.join('')}</ol>${step(page + 1, 'next', 'Next →')}
  </nav>`;
}

function makeInfoPage(title: string, paragraphs: readonly string[]): string {
  const text = paragraphs.map((paragraph) => `<p>${paragraph}</p>`).join('\n');
  return makePage({
    title: `${title} · ${SHOP_NAME}`,
    current: `/${title.toLowerCase()}`,
    main: `<main class="prose"><h1>${title}</h1>${text}</main>`,
  });
}

function makePage(page: { title: string; main: string; current?: string; script?: string }): string {
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>${page.title}</title>
  <link rel="icon" href="/favicon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/assets/frame.css">
  <link rel="stylesheet" href="/assets/goods.css">
  ${page.script === undefined ? '' : `<script type="module" src="${page.script}"></script>`}
</head>
<body>
  <header class="bar">
    <a class="brand" href="/"><img src="/favicon.svg" alt="" width="32" height="32">${SHOP_NAME}</a>
    <nav aria-label="Shop">${makeLinks(HEADER_LINKS, page.current)}</nav>
  </header>
  ${page.main}
  <footer class="bar">
    <p>A demo shop on your own machine. Nothing here is for sale.</p>
    <nav aria-label="Service">${makeLinks(FOOTER_LINKS, page.current)}</nav>
  </footer>
</body>
</html>
`;
}

function makeLinks(links: Readonly<Record<string, string>>, current: string | undefined): string {
  return Object.entries(links)
    .map(([path, text]) => `<a href="${path}"${path === current ? ' aria-current="page"' : ''}>${text}</a>`)
    .join('');
}
