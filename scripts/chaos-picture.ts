/**
 * `npm run picture`: runs `npm start -- --chaos` and draws its output as `docs/chaos.svg`, an animated picture of a terminal. Each line
 * appears at the time at which it was printed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';

const TARGET = path.join(import.meta.dirname, '..', 'docs', 'chaos.svg');
const COLUMNS = 100;
const CHARACTER_WIDTH_PX = 8.4;
const LINE_HEIGHT_PX = 20;
const MARGIN_PX = 20;
/** The time for which the whole picture is shown before the animation begins again. */
const PAUSE_SECONDS = 8;

interface Line {
  readonly text: string;
  readonly atSeconds: number;
}

const recorded = await record();
writeFileSync(TARGET, draw(recorded));
console.log(`Drew ${recorded.length} lines: ${path.relative(process.cwd(), TARGET)}`);

async function record(): Promise<Line[]> {
  const startedAt = performance.now();
  const child = spawn('npm', ['start', '--silent', '--', '--chaos'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // The log is JSON if there is no terminal. The picture shows only the lines for the user.
    env: { ...process.env, LOG_LEVEL: 'error' },
  });
  const printed: Line[] = [];
  const take = (text: string) => {
    const atSeconds = (performance.now() - startedAt) / 1_000;
    for (const part of wrap(text)) printed.push({ text: part, atSeconds });
  };
  for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', take);
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`npm start ended with exit code ${code}.`);
  return printed;
}

function wrap(text: string): string[] {
  const parts = text.match(new RegExp(`.{1,${COLUMNS}}(?:\\s|$)|.{${COLUMNS}}`, 'g')) ?? [''];
  return parts.map((part, index) => (index === 0 ? part : `  ${part}`).trimEnd());
}

function draw(lines: readonly Line[]): string {
  const width = Math.ceil((COLUMNS + 2) * CHARACTER_WIDTH_PX + 2 * MARGIN_PX);
  const height = (lines.length + 1) * LINE_HEIGHT_PX + 2 * MARGIN_PX;
  const seconds = (lines.at(-1)?.atSeconds ?? 0) + PAUSE_SECONDS;
  const all = [{ text: '$ npm start -- --chaos', atSeconds: 0 }, ...lines];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="A run whose browser is killed five times, with all 500 records in the end">
<style>
  rect { fill: #14161a; }
  text { fill: #d7dae0; font: 14px ui-monospace, Menlo, Consolas, monospace; white-space: pre; }
  .kill { fill: #ff8a80; }
  .back { fill: #ffd180; }
  .done { fill: #a5d6a7; }
  @media (prefers-reduced-motion: no-preference) { text { animation: ${seconds.toFixed(1)}s step-end infinite; } }
${all.map(({ atSeconds }, index) => `  @keyframes l${index} { 0% { opacity: 0; } ${((100 * atSeconds) / seconds).toFixed(2)}% { opacity: 1; } }`).join('\n')}
</style>
<rect width="${width}" height="${height}" rx="8"/>
${all.map(({ text }, index) => `<text x="${MARGIN_PX}" y="${MARGIN_PX + (index + 0.8) * LINE_HEIGHT_PX}" class="${classOf(text)}" style="animation-name: l${index}">${toXml(text)}</text>`).join('\n')}
</svg>
`;
}

function classOf(text: string): string {
  if (text.startsWith('chaos: killed')) return 'kill';
  if (text.startsWith('recovering')) return 'back';
  return /completed|all correct/.test(text) ? 'done' : '';
}

function toXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
