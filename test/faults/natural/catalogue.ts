/** The natural actions, and the data that each of them must save. */
import { findItem, ITEMS, itemsOnPage, PAGE_COUNT, type Item } from '../../fixtures/natural/site/goods.ts';
import type { SiteEffects } from '../../fixtures/natural/site/state.ts';

/**
 * How the trials of an action may end. `complete`: with the right data and exit code 0. `right`: if it is disturbed, also with an error
 * that says so. `never-silent`: with such an error also if it is undisturbed. `fails`: only with an error, because there is no right way
 * to continue.
 */
export type Ending = 'complete' | 'right' | 'never-silent' | 'fails';

export interface NaturalCase {
  /** The name of the action and of its file in `test/fixtures/natural`. */
  readonly name: string;
  readonly family: string;
  readonly ending: Ending;
  /** The records in the order of the file. */
  readonly records: readonly object[];
  readonly effects: SiteEffects;
}

const PAGES = Array.from({ length: PAGE_COUNT }, (_unused, index) => index + 1);
const NO_EFFECTS: SiteEffects = { orders: [], registrations: [] };
const SIGNED_UP: SiteEffects = { orders: [], registrations: [{ name: 'Ann', city: 'Ulm', plan: 'basic' }] };
const WIZARD = [{ summary: 'Ann, Ulm, basic' }];

const namesByPage = PAGES.flatMap((page) => itemsOnPage(page).map(({ name }) => ({ page, name })));
const namesOf = (items: readonly Item[]) => items.map(({ name }) => ({ name }));
const pricesOf = (items: readonly Item[]) => items.map(({ name, price }) => ({ name, price }));
const titles = PAGES.map((page) => ({ page, title: `List, page ${page}` }));
const prices = ITEMS.map(({ price }) => price);

const ORDERED_ITEMS = ['drum', 'globe', 'jug'];
const orderRecords = ORDERED_ITEMS.map((item) => ({ item, text: `ref-${item} is ordered` }));
const ordersOf = (amounts: readonly number[]): SiteEffects => ({
  orders: ORDERED_ITEMS.map((item, index) => ({ reference: `ref-${item}`, item, amount: amounts[index] ?? 1 })),
  registrations: [],
});

/** The actions by family. Users have written actions of the first families, and lost data with them. */
export const NATURAL_CASES: readonly NaturalCase[] = [
  ...family('login in a step, pages in others', [
    ['login-then-pages', 'complete', pricesOf(ITEMS)],
    ['local-login', 'complete', namesByPage],
    ['tab-login', 'complete', namesByPage],
    ['login-in-prepare', 'complete', namesByPage],
  ]),
  ...family('login in a step, then a batch', [
    ['login-then-api', 'complete', ITEMS],
    ['login-then-fetch', 'complete', ITEMS.map(({ id, name, stock }) => ({ id, name, stock }))],
    [
      'login-then-sessions',
      'complete',
      ITEMS.slice(0, 9).map(({ id, name, stock }) => ({ id, title: name, stock: String(stock) })),
    ],
  ]),
  ...family('cookies of a page for the API', [
    ['token-for-api', 'complete', ITEMS],
    ['listing-then-api', 'complete', ITEMS.map(({ id, name, stock }) => ({ id: String(id), name, stock }))],
    ['swallows-in-batch', 'complete', ITEMS],
    ['results-of-batch', 'complete', ITEMS.map(({ id, name }) => ({ id: String(id), name }))],
  ]),
  ...family('data in a variable around steps', [
    ['outer-rows', 'right', pricesOf(ITEMS)],
    ['outer-rows-then-save', 'right', namesOf(itemsOnPage(1))],
    ['outer-elements', 'right', namesOf(itemsOnPage(2))],
    ['class-instance', 'right', [{ count: prices.length, sum: prices.reduce((sum, price) => sum + price, 0) }]],
    ['page-object', 'right', namesByPage],
    ['loop-variable-inside', 'right', namesByPage],
    ['completes-objects', 'right', itemsOnPage(1).map(({ id, name, stock }) => ({ id: String(id), name, stock }))],
    ['collects-in-batch', 'right', ITEMS.map(({ id, name }) => ({ id, name }))],
    ['module-counter', 'right', ITEMS.map(({ name }, index) => ({ number: index + 1, name }))],
    ['module-cache', 'right', namesByPage],
  ]),
  ...family('next on the page of the step before', [
    ['next-by-link', 'complete', namesByPage],
    ['next-by-request', 'right', namesByPage],
    ['next-by-request-blind', 'right', namesByPage],
    ['next-by-history', 'complete', namesByPage],
    ['infinite-scroll', 'right', namesByPage],
    [
      'back-and-forth',
      'right',
      itemsOnPage(1)
        .slice(0, 3)
        .map(({ id, name, stock }) => ({ id, name, stock })),
    ],
    ['second-window', 'right', ITEMS.slice(0, 3).map(({ id, name }) => ({ id, name }))],
    ['iframe', 'right', namesOf(itemsOnPage(2))],
    [
      'typed-then-submitted',
      'right',
      ['drum', 'jug'].flatMap((words) =>
        ITEMS.filter(({ name }) => name.includes(words)).map(({ name }) => ({ words, name })),
      ),
    ],
    ['implicit-wait', 'right', namesByPage],
    ['small-window', 'complete', ITEMS.map(({ name, price }) => ({ name, price: String(price) }))],
  ]),
  ...family('a form over several pages', [
    ['wizard-redirect', 'right', WIZARD, SIGNED_UP],
    ['wizard-answer', 'right', WIZARD, SIGNED_UP],
    ['wizard-redirect-nested', 'right', WIZARD, SIGNED_UP],
    ['wizard-answer-nested', 'right', WIZARD, SIGNED_UP],
    ['wizard-one-step', 'right', WIZARD, SIGNED_UP],
  ]),
  ...family('one window for several', [
    ['batch-outer-driver', 'never-silent', namesByPage],
    ['parallel-steps-driver', 'never-silent', namesByPage],
  ]),
  ...family('not waited for', [
    ['save-bad-unawaited', 'fails', itemsOnPage(1).map(({ name }) => ({ name, seenAt: { list: 1 } }))],
    ['save-in-step-unawaited', 'fails', namesByPage],
    ['save-last-unawaited', 'fails', itemsOnPage(1).map(({ name }, index) => ({ name, index }))],
    ['save-unawaited', 'never-silent', namesByPage],
    ['step-unawaited', 'fails', ITEMS.slice(0, 4)],
  ]),
  ...family('ends the program by itself', [
    ['exits-itself', 'fails', titles],
    ['exits-early', 'fails', titles],
  ]),
  ...family('changes something at the site', [
    ['order-form', 'right', orderRecords, ordersOf([2, 1, 5])],
    ['order-form-asking', 'complete', orderRecords, ordersOf([2, 1, 5])],
    ['order-form-writes', 'right', orderRecords, ordersOf([2, 1, 5])],
    ['order-by-api', 'right', ORDERED_ITEMS.map((item) => ({ item, ok: true })), ordersOf([1, 1, 1])],
    ['clock-key-order', 'right', orderRecords, ordersOf([1, 1, 1])],
    [
      'basket',
      'right',
      [{ names: [4, 7, 8].map((id) => findItem(id)?.name) }],
      {
        orders: [4, 7, 8].map((id) => ({ reference: 'basket', item: findItem(id)?.name ?? '', amount: 1 })),
        registrations: [],
      },
    ],
  ]),
  ...family('steps in other shapes', [
    ['clock-key', 'right', namesByPage],
    ['list-outside-steps', 'complete', itemsOnPage(3).map(({ name, stock }) => ({ name, stock }))],
    ['nested-batches', 'complete', ITEMS],
    ['item-generator', 'complete', ITEMS.map(({ id, name, stock }) => ({ id: String(id), name, stock }))],
    ['parallel-steps', 'complete', ITEMS.slice(0, 12)],
    ['catches-everything', 'complete', namesByPage],
    ['own-retries', 'complete', namesByPage],
  ]),
];

export function findCase(name: string): NaturalCase {
  const found = NATURAL_CASES.find((one) => one.name === name);
  if (found === undefined) throw new Error(`There is no natural action "${name}".`);
  return found;
}

type Row = readonly [name: string, ending: Ending, records: readonly object[], effects?: SiteEffects];

function family(name: string, rows: readonly Row[]): NaturalCase[] {
  return rows.map(([action, ending, records, effects = NO_EFFECTS]) => ({
    name: action,
    family: name,
    ending,
    records,
    effects,
  }));
}
