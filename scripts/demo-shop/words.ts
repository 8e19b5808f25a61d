import type { PictureKind } from './pictures.ts';

export interface Category {
  readonly name: string;
  readonly picture: PictureKind;
  readonly nouns: readonly [string, ...string[]];
  /** The range of the price in whole euros; the cents come from the price endings. */
  readonly price: { readonly min: number; readonly max: number };
}

export const CATEGORIES = [
  {
    name: 'Mugs',
    picture: 'mug',
    nouns: ['mug', 'tea cup', 'beaker', 'cocoa mug', 'espresso cup'],
    price: { min: 7, max: 29 },
  },
  {
    name: 'Lamps',
    picture: 'lamp',
    nouns: ['table lamp', 'reading lamp', 'night light', 'desk lamp', 'bedside lamp'],
    price: { min: 35, max: 189 },
  },
  {
    name: 'Plants',
    picture: 'plant',
    nouns: ['potted fern', 'rubber plant', 'window plant', 'desk plant', 'herb pot'],
    price: { min: 6, max: 48 },
  },
  {
    name: 'Stools',
    picture: 'stool',
    nouns: ['stool', 'step stool', 'milking stool', 'side table', 'plant stand'],
    price: { min: 39, max: 240 },
  },
  {
    name: 'Clocks',
    picture: 'clock',
    nouns: ['alarm clock', 'mantel clock', 'kitchen clock', 'travel clock', 'desk clock'],
    price: { min: 19, max: 120 },
  },
  {
    name: 'Books',
    picture: 'books',
    nouns: ['notebook set', 'sketchbooks, set of 3', 'cook books', 'diaries', 'atlas, two volumes'],
    price: { min: 9, max: 64 },
  },
  {
    name: 'Toys',
    picture: 'blocks',
    nouns: ['building blocks', 'block tower', 'stacking game', 'castle bricks', 'balance game'],
    price: { min: 12, max: 75 },
  },
  {
    name: 'Teapots',
    picture: 'teapot',
    nouns: ['teapot', 'teapot, 1.2\u00a0l', 'coffee pot', 'stoneware pot', 'pot "for one"'],
    price: { min: 22, max: 110 },
  },
] as const satisfies readonly [Category, ...Category[]];

/** First names of the products in Scandinavian style, with letters beyond ASCII on purpose. */
export const GIVEN_NAMES = (
  'Ada Björn Cléo Dörte Emil Fähre Grete Håkon Ines Jørgen Käthe Lütt Mio Nils Ötzi Pippa Quast Rosé Søren Thea ' +
  'Übermut Vroni Wölkchen Xaver Ylva Zoë Åse Bärbel Çelik Daphne Ester Föhn Gustav Hänsel Isolde Jürgen Kiki Löwe ' +
  'Märta Nørd'
).split(' ');

export const MATERIALS = [
  'Solid beech, oiled twice',
  'Glazed stoneware, fired at 1,240 °C',
  'Recycled glass',
  'Powder-coated steel; no visible screws',
  'Linen, felt and a little brass',
  'Turned maple, waxed by hand',
] as const;

/** Remarks with separators, quotes, line breaks and letters beyond ASCII, which a wrong CSV export damages. */
export const REMARKS = [
  'Made in small runs, so no two are alike.',
  'Our customers call it "the good one", and we agree.',
  'Fits a shelf of 25 cm × 25 cm.',
  'Größe M; für drinnen und draußen.',
  'A favourite of the house 🌿, and of the cat 🐈.',
  'Says the maker: "Use it, drop it, use it again."',
  'Packed in paper, tied with string, sent on foot to the post office.',
  'Crème, café, or naïve blue: the colour is a surprise 🎁.',
] as const;

export const CARE_NOTES = [
  'Care: wipe with a damp cloth, then let it dry.',
  'Care:\n- no dishwasher,\n- no microwave.',
  'Spare parts: 10 years, free of charge.',
  'Contents:\n1 × product, 1 × card, 1 × "thank you".',
] as const;

export const BADGES = ['none', 'new', 'bestseller', 'handmade', 'last pieces'] as const;
