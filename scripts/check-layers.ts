/**
 * Holds the architecture to its word: who may import whom, by which file, which folder owns which dependency. The tables below are the
 * architecture ("The house" in the README); type imports count like any other. Part of `npm run check`.
 */
import { globSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync, Visitor } from 'oxc-parser';

const MAX_LINES = 400;
const PACKAGE = 'webdriver-supervisor';

/** Which rooms a room may import, besides itself; every room but core may import config and model. `index` is the public face, `src/index.ts`. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  model: ['core'],
  config: ['core'],
  analysis: ['core'],
  driver: ['core', 'model', 'config'],
  registry: ['core', 'model', 'config'],
  supervisor: ['core', 'model', 'config', 'driver'],
  embed: ['core', 'model', 'config', 'driver', 'supervisor'],
  mocha: ['core', 'model', 'config', 'driver', 'supervisor', 'embed'],
  upkeep: ['core', 'model', 'config', 'driver', 'registry'],
  sessions: ['core', 'model', 'config', 'driver', 'registry', 'supervisor', 'upkeep'],
  runs: ['core', 'model', 'config', 'analysis', 'registry', 'sessions', 'supervisor', 'upkeep'],
  monitor: ['core', 'model', 'config', 'driver', 'registry', 'upkeep'],
  fleet: ['core', 'model', 'config', 'registry', 'runs'],
  testing: ['core', 'model', 'config', 'driver', 'registry', 'sessions', 'supervisor', 'upkeep'],
  index: [
    'core',
    'model',
    'config',
    'driver',
    'registry',
    'supervisor',
    'upkeep',
    'embed',
    'sessions',
    'runs',
    'monitor',
    'fleet',
  ],
  cli: [
    'core',
    'model',
    'config',
    'analysis',
    'driver',
    'registry',
    'supervisor',
    'upkeep',
    'sessions',
    'runs',
    'monitor',
    'fleet',
    'testing',
    'index',
  ],
};

/** Front files that aren't `src/<room>/<room>.ts`; `any` where every file of the room may be imported. */
const FRONTS: Readonly<Record<string, string>> = {
  core: 'any',
  model: 'any',
  testing: 'src/testing.ts',
  mocha: 'src/mocha.ts',
  index: 'src/index.ts',
};

/** The one place (a folder with its slash, or a file) that may import a package or a built-in module. */
const DOORS: Readonly<Record<string, string>> = {
  'selenium-webdriver': 'src/driver/',
  ws: 'src/driver/',
  'p-queue': 'src/supervisor/',
  undici: 'src/supervisor/route/',
  socks: 'src/supervisor/route/',
  'pac-resolver': 'src/supervisor/route/',
  'quickjs-wasi': 'src/supervisor/route/',
  'p-retry': 'src/core/retry.ts',
  winston: 'src/core/log.ts',
  acorn: 'src/analysis/',
  'acorn-walk': 'src/analysis/',
  kysely: 'src/registry/',
  pg: 'src/registry/',
  'node:sqlite': 'src/registry/',
  fastify: 'src/monitor/',
  'prom-client': 'src/monitor/',
  '@slack/webhook': 'src/monitor/',
  nodemailer: 'src/monitor/',
  'pg-boss': 'src/fleet/',
  commander: 'src/cli/',
  'cli-progress': 'src/cli/',
  // A program that imports another entry needs no types of mocha.
  mocha: 'src/mocha/',
};

const READS_ENVIRONMENT = ['src/config/', 'src/cli/'];

/** One broken rule, at a line of a file. */
export interface LayerProblem {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

interface Import {
  readonly specifier: string;
  readonly line: number;
  /** Path from the project's root for an import of our own, else undefined. */
  readonly target: string | undefined;
}

interface SourceFile {
  readonly path: string;
  readonly imports: readonly Import[];
  readonly environmentLines: readonly number[];
  readonly lineCount: number;
  readonly errorMessage: string | undefined;
}

/** Checks sources given as text by their path from the project's root ("src/core/clock.ts", "actions/smoke.ts"). */
export function checkLayers(sources: ReadonlyMap<string, string>): LayerProblem[] {
  const files = [...sources].map(([path, text]) => parse(path, text));
  return [...files.flatMap((file) => [...checkFile(file)]), ...findCycles(files)];
}

function* checkFile(file: SourceFile): Generator<LayerProblem> {
  const problem = (line: number, message: string) => ({ file: file.path, line, message });
  if (file.errorMessage !== undefined) yield problem(1, `can't be parsed: ${file.errorMessage}`);
  if (file.path.startsWith('actions/')) {
    for (const { specifier, line } of file.imports) {
      if (specifier !== PACKAGE && !specifier.startsWith('node:'))
        yield problem(line, `imports ${specifier}; an action imports '${PACKAGE}' (and node: modules) only`);
    }
    return;
  }
  const room = roomOf(file.path);
  if (room === undefined) yield problem(1, 'belongs to no room of the table in scripts/check-layers.ts');
  for (const imported of file.imports) {
    const message =
      imported.target === undefined
        ? whyClosedDoor(file.path, imported.specifier)
        : whyForbidden(room, imported.target);
    if (message !== undefined) yield problem(imported.line, message);
  }
  if (!READS_ENVIRONMENT.some((folder) => file.path.startsWith(folder))) {
    for (const line of file.environmentLines)
      yield problem(line, 'reads the environment of the process; take it from the Config instead');
  }
  if (file.lineCount > MAX_LINES)
    yield problem(MAX_LINES + 1, `has ${file.lineCount} lines, more than ${MAX_LINES}; find the second module in it`);
}

function whyForbidden(room: string | undefined, target: string): string | undefined {
  const targetRoom = roomOf(target);
  if (targetRoom === undefined) return `imports ${target}, which lies outside the rooms of src/`;
  if (room === undefined || room === targetRoom) return undefined;
  const allowed = MAY_IMPORT[room] ?? [];
  if (!allowed.includes(targetRoom))
    return `${room} imports ${targetRoom} (${target}); it may import ${allowed.join(', ') || 'no other room'}`;
  const front = FRONTS[targetRoom] ?? `src/${targetRoom}/${targetRoom}.ts`;
  return front === 'any' || target === front
    ? undefined
    : `imports ${target} past the front of ${targetRoom}; import ${front}`;
}

function whyClosedDoor(path: string, specifier: string): string | undefined {
  const name = specifier.startsWith('@')
    ? specifier.split('/', 2).join('/')
    : isBuiltin(specifier)
      ? specifier
      : specifier.split('/', 1).join('');
  const door = Object.hasOwn(DOORS, name) ? DOORS[name] : undefined;
  const isAllowed = door === undefined || (door.endsWith('/') ? path.startsWith(door) : path === door);
  return isAllowed ? undefined : `imports ${specifier}, whose only door is ${door}`;
}

function roomOf(path: string): string | undefined {
  const room = Object.keys(FRONTS).find((name) => FRONTS[name] === path) ?? /^src\/([^/]+)\/.+/.exec(path)?.[1];
  return room !== undefined && Object.hasOwn(MAY_IMPORT, room) ? room : undefined;
}

/** One problem for each import that closes a cycle, found depth first. */
function findCycles(files: readonly SourceFile[]): LayerProblem[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const problems: LayerProblem[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      const cycle = [...trail.slice(trail.indexOf(path)), path];
      const line = byPath.get(trail.at(-1) ?? path)?.imports.find(({ target }) => target === path)?.line ?? 1;
      problems.push({ file: trail.at(-1) ?? path, line, message: `closes a cycle of imports: ${cycle.join(' -> ')}` });
      return;
    }
    if (done.has(path)) return;
    const targets = new Set(byPath.get(path)?.imports.map(({ target }) => target));
    for (const target of targets) if (target !== undefined && byPath.has(target)) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const { path } of files) visit(path, []);
  return problems;
}

function parse(path: string, text: string): SourceFile {
  const { program, errors } = parseSync(path, text, { lang: 'ts', sourceType: 'module' });
  const lineAt = (offset: number) => text.slice(0, offset).split('\n').length;
  const imports: Import[] = [];
  const environmentLines: number[] = [];
  const addImport = (source: { value: unknown; start: number } | null) => {
    if (typeof source?.value !== 'string') return;
    imports.push({ specifier: source.value, line: lineAt(source.start), target: resolveOwn(path, source.value) });
  };
  const isProcess = (node: { type: string } | null) =>
    node?.type === 'Identifier' && (node as { name?: string }).name === 'process';
  new Visitor({
    ImportDeclaration(node) {
      addImport(node.source);
      const readsEnvironment = node.specifiers.some(
        (one) => one.type === 'ImportSpecifier' && 'name' in one.imported && one.imported.name === 'env',
      );
      if (/^(node:)?process$/.test(node.source.value) && readsEnvironment) environmentLines.push(lineAt(node.start));
    },
    ExportNamedDeclaration: (node) => addImport(node.source),
    ExportAllDeclaration: (node) => addImport(node.source),
    ImportExpression: (node) => addImport(node.source as { value: unknown; start: number }),
    TSImportType: (node) => addImport(node.source),
    MemberExpression(node) {
      const name = node.property.type === 'Literal' ? node.property.value : (node.property as { name?: string }).name;
      if (isProcess(node.object) && name === 'env') environmentLines.push(lineAt(node.start));
    },
    VariableDeclarator(node) {
      const isTaken =
        node.id.type === 'ObjectPattern' &&
        node.id.properties.some((one) => one.type === 'Property' && (one.key as { name?: string }).name === 'env');
      if (isProcess(node.init) && isTaken) environmentLines.push(lineAt(node.start));
    },
  }).visit(program);
  const lineCount = text.replace(/\n$/, '').split('\n').length;
  return { path, imports, environmentLines, lineCount, errorMessage: errors[0]?.message };
}

/** The package's own name leads to its faces, also from inside. */
function resolveOwn(from: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return posix.join(posix.dirname(from), specifier);
  const fronts: Readonly<Record<string, string>> = {
    [PACKAGE]: 'src/index.ts',
    [`${PACKAGE}/testing`]: 'src/testing.ts',
    [`${PACKAGE}/mocha`]: 'src/mocha.ts',
  };
  return fronts[specifier];
}

if (import.meta.main) {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..');
  // Declarations of foreign modules (src/types) are no modules of ours.
  const paths = globSync('{src,actions}/**/*.ts', { cwd: root, exclude: ['**/*.d.ts'] });
  const problems = checkLayers(new Map(paths.sort().map((path) => [path, readFileSync(join(root, path), 'utf8')])));
  for (const { file, line, message } of problems) console.error(`${file}:${line} ${message}`);
  console.error(
    problems.length === 0 ? `Layers hold (${paths.length} files).` : `Breaches of the layers: ${problems.length}.`,
  );
  process.exitCode = problems.length === 0 ? 0 : 1;
}
