import { drawPicture } from './pictures.ts';
import { makeRandom, pickFrom, randomInteger, shuffle } from './random.ts';
import type { Random } from './random.ts';
import { BADGES, CARE_NOTES, CATEGORIES, GIVEN_NAMES, MATERIALS, REMARKS } from './words.ts';

const CURRENCY = 'EUR';
const PRICE_ENDINGS = [0.0, 0.5, 0.9, 0.95, 0.99] as const;
const SHARE_WITH_BADGE = 0.4;
const SHARE_SOLD_OUT = 0.06;
const SHARE_WITH_CARE_NOTE = 0.5;

export type Badge = (typeof BADGES)[number];

/** The answer of `/api/details/:sku`. */
export interface ProductDetails {
  readonly sku: string;
  readonly name: string;
  readonly price: number;
  readonly currency: string;
  readonly description: string;
  readonly stock: number;
  readonly rating: number;
}

/** The record that a correct run gathers for one product: its details and its badge (`'none'` if it has none). */
export interface ProductRecord extends ProductDetails {
  readonly badge: Badge;
}

/** One entry of `/api/listing`: the contents of a product card. */
export interface ListingItem {
  readonly sku: string;
  readonly name: string;
  readonly category: string;
  readonly price: number;
  readonly currency: string;
  /** An inline `<svg>` element. */
  readonly picture: string;
}

export interface Product {
  readonly listing: ListingItem;
  readonly record: ProductRecord;
}

/** Returns the products of a shop in catalogue order. The same seed and size give the same products on every machine. */
export function makeCatalogue(options: { size: number; seed: number }): Product[] {
  const random = makeRandom(options.seed);
  const kinds = CATEGORIES.flatMap((category) => category.nouns.map((noun) => ({ category, noun })));
  const names = shuffle(
    random,
    kinds.flatMap((kind) => GIVEN_NAMES.map((givenName) => ({ ...kind, name: `${givenName} ${kind.noun}` }))),
  );
  return Array.from({ length: options.size }, (_, index) => {
    const named = names[index % names.length] ?? { category: CATEGORIES[0], name: 'Nameless' };
    const edition = Math.floor(index / names.length) + 1;
    return makeProduct(random, {
      sku: `KL-${String(index + 1).padStart(4, '0')}`,
      name: edition === 1 ? named.name : `${named.name}, edition ${edition}`,
      category: named.category,
    });
  });
}

function makeProduct(
  random: Random,
  { sku, name, category }: { sku: string; name: string; category: (typeof CATEGORIES)[number] },
): Product {
  const price = Number((randomInteger(random, category.price) + pickFrom(random, PRICE_ENDINGS)).toFixed(2));
  const shown = { sku, name, price, currency: CURRENCY };
  return {
    listing: { ...shown, category: category.name, picture: drawPicture(random, category.picture) },
    record: {
      ...shown,
      description: describe(random),
      stock: random() < SHARE_SOLD_OUT ? 0 : randomInteger(random, { min: 1, max: 120 }),
      rating: randomInteger(random, { min: 28, max: 50 }) / 10,
      badge: random() < SHARE_WITH_BADGE ? pickFrom(random, BADGES) : 'none',
    },
  };
}

function describe(random: Random): string {
  const sentences = `${pickFrom(random, MATERIALS)}. ${pickFrom(random, REMARKS)}`;
  return random() < SHARE_WITH_CARE_NOTE ? `${sentences}\n${pickFrom(random, CARE_NOTES)}` : sentences;
}
