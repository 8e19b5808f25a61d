import { pickFrom, randomInteger } from './random.ts';
import type { Random } from './random.ts';

const COLOURS = ['#2f6bff', '#ff5d48', '#ffb92e', '#12a373', '#8a5cf6', '#f078b4', '#18a7c9'] as const;
const WOOD = '#c98f57';
const CREAM = '#fff6e0';
/** The colour of the dark parts. The style sheet makes them lighter on a dark background. */
const INK = 'currentColor';

/** The drawings, 120 wide. Each product stands on the lower edge (y = 104). */
const PICTURES = {
  mug: ({ main, second, variant }) => `
    <path d="M78 66h8a13 13 0 0 1 0 26h-8" fill="none" stroke="${main}" stroke-width="8"/>
    <path d="M34 54h46v38a12 12 0 0 1-12 12H46a12 12 0 0 1-12-12z" fill="${main}"/>
    ${[`<path d="M34 72h46v10H34z" fill="${second}"/>`, dots([46, 57, 68], 79, second), `<circle cx="57" cy="79" r="11" fill="${CREAM}"/>`][variant] ?? ''}`,
  lamp: ({ main, second, variant }) => `
    <path d="M57 60h6v38h-6z" fill="${INK}"/>
    <path d="M42 104a18 10 0 0 1 36 0z" fill="${second}"/>
    ${[`<path d="M46 22h28l16 42H30z" fill="${main}"/>`, `<path d="M28 64a32 40 0 0 1 64 0z" fill="${main}"/>`, `<circle cx="60" cy="42" r="25" fill="${main}"/>`][variant] ?? ''}
    <circle cx="60" cy="${variant === 2 ? 42 : 66}" r="7" fill="${CREAM}"/>`,
  plant: ({ main, second, variant }) => `
    ${[-58, -26, 8, 38, 64]
      .slice(0, 3 + variant)
      .map(
        (angle, leaf) =>
          `<ellipse cx="60" cy="46" rx="9" ry="27" fill="${leaf % 2 ? '#12a373' : '#0b7f5b'}" transform="rotate(${angle + (2 - variant) * 16} 60 76)"/>`,
      )
      .join('')}
    <path d="M38 72h44l-6 32H44z" fill="${main}"/><path d="M35 68h50v10H35z" fill="${second}"/>`,
  stool: ({ main, second, variant }) => `
    <path d="M38 58l-10 46M82 58l10 46M${variant ? '60 58v46' : '33 84h54'}" stroke="${WOOD}" stroke-width="7" fill="none"/>
    <rect x="24" y="46" width="72" height="14" rx="7" fill="${main}"/>
    ${variant === 2 ? `<rect x="32" y="34" width="56" height="12" rx="6" fill="${second}"/>` : ''}`,
  clock: ({ main, second, variant }) => `
    <path d="M44 92l-8 12M76 92l8 12" stroke="${INK}" stroke-width="7"/>
    ${variant ? `<circle cx="38" cy="36" r="9" fill="${second}"/><circle cx="82" cy="36" r="9" fill="${second}"/>` : ''}
    <circle cx="60" cy="64" r="35" fill="${main}"/><circle cx="60" cy="64" r="25" fill="${CREAM}"/>
    <path d="M60 64V46" stroke="${INK}" stroke-width="5" stroke-linecap="round" transform="rotate(${variant * 130 + 20} 60 64)"/>
    <path d="M60 64V51" stroke="${second}" stroke-width="5" stroke-linecap="round" transform="rotate(${variant * 70 + 110} 60 64)"/>`,
  books: ({ main, second, variant }) => `
    <rect x="24" y="88" width="72" height="16" rx="3" fill="${main}"/><path d="M34 88h6v16h-6z" fill="${CREAM}"/>
    <rect x="30" y="70" width="62" height="18" rx="3" fill="${second}"/><path d="M80 70h5v18h-5z" fill="${INK}"/>
    ${variant === 0 ? `<path d="M36 70l24-24 24 24z" fill="${main}"/>` : ''}
    ${variant === 1 ? `<rect x="34" y="56" width="50" height="14" rx="3" fill="${INK}"/>` : ''}
    ${variant === 2 ? `<rect x="40" y="26" width="14" height="44" rx="3" fill="${main}"/><rect x="56" y="34" width="16" height="36" rx="3" fill="${INK}"/>` : ''}`,
  blocks: ({ main, second, variant }) => `
    <rect x="28" y="74" width="30" height="30" rx="3" fill="${main}"/><rect x="62" y="74" width="30" height="30" rx="3" fill="${second}"/>
    <path d="M34 74a26 26 0 0 1 52 0h-14a12 12 0 0 0-24 0z" fill="${WOOD}"/>
    ${[`<path d="M46 48l14-24 14 24z" fill="${main}"/>`, `<circle cx="60" cy="35" r="13" fill="${second}"/>`, `<rect x="48" y="24" width="24" height="24" rx="3" fill="${main}"/>`][variant] ?? ''}`,
  teapot: ({ main, second, variant }) => `
    <path d="M34 66H22a8 8 0 0 0-8 8v6a16 16 0 0 0 16 16h8" fill="none" stroke="${second}" stroke-width="7"/>
    <path d="M82 88c14 0 12-26 26-28" fill="none" stroke="${main}" stroke-width="10"/>
    <path d="M30 ${[68, 60, 54][variant] ?? 60}h56c8 24 0 ${[36, 44, 50][variant] ?? 44}-12 ${[36, 44, 50][variant] ?? 44}H42c-12 0-20-20-12-44z" fill="${main}"/>
    <rect x="36" y="${[60, 52, 46][variant] ?? 52}" width="44" height="9" rx="4" fill="${second}"/>
    <circle cx="58" cy="${[54, 46, 40][variant] ?? 46}" r="7" fill="${INK}"/>`,
} as const satisfies Record<string, (paint: Paint) => string>;

interface Paint {
  readonly main: string;
  readonly second: string;
  /** 0, 1 or 2 */
  readonly variant: number;
}

export type PictureKind = keyof typeof PICTURES;

/** Returns a product picture as an inline `<svg>`. It is decorative and therefore hidden from screen readers. */
export function drawPicture(random: Random, kind: PictureKind): string {
  const main = pickFrom(random, COLOURS);
  const second = COLOURS[(COLOURS.indexOf(main) + randomInteger(random, { min: 1, max: 5 })) % COLOURS.length] ?? INK;
  const drawing = PICTURES[kind]({ main, second, variant: randomInteger(random, { min: 0, max: 2 }) });
  return `<svg viewBox="0 0 120 104" aria-hidden="true">${drawing.replace(/\n\s*/g, '')}</svg>`;
}

function dots(centres: readonly number[], y: number, colour: string): string {
  return centres.map((x) => `<circle cx="${x}" cy="${y}" r="4" fill="${colour}"/>`).join('');
}
