/**
 * Checks the architecture: which modules a module may import, through which file, and which folder may import which dependency. The tables
 * below define it (see `docs/architecture.md`). Type imports count like all others. This is a part of `npm run check`.
 */
import { globSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync, Visitor } from 'oxc-parser';

const MAX_LINES = 400;
const PACKAGE = 'webdriver-supervisor';

/** The modules that a module may import besides itself. `index` is the public entry point, `src/index.ts`. */
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

/** The folders of the command line, lowest first. A file of one imports only from the same and from lower ones. */
const CLI_FOLDERS = ['terminal', 'doctor', 'run', 'inspect', 'fleet'];

/** Front files other than `src/<module>/<module>.ts`; `any` if every file of the module may be imported. */
const FRONTS: Readonly<Record<string, string>> = {
  core: 'any',
  model: 'any',
  testing: 'src/testing.ts',
  mocha: 'src/mocha.ts',
  index: 'src/index.ts',
};

/** The only folder (with a trailing slash) or file that may import a package or a built-in module. */
const ENTRY_POINTS: Readonly<Record<string, string>> = {
  'selenium-webdriver': 'src/driver/',
  ws: 'src/driver/',
  'p-queue': 'src/supervisor/',
  undici: 'src/supervisor/',
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

const ENVIRONMENT_READERS = ['src/config/', 'src/cli/'];

/** One broken rule, at a line of a file. */
export interface LayerProblem {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

interface Import {
  readonly specifier: string;
  readonly line: number;
  /** The path from the project's root if a file of our own is imported, otherwise undefined. */
  readonly target: string | undefined;
}

interface SourceFile {
  readonly path: string;
  readonly imports: readonly Import[];
  readonly environmentLines: readonly number[];
  readonly lineCount: number;
  readonly errorMessage: string | undefined;
}

/** Checks sources, given as a map from their path in the project ("src/core/clock.ts", "actions/smoke.ts") to their text. */
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
  const module = moduleOf(file.path);
  if (module === undefined) yield problem(1, 'belongs to no module of the table in scripts/check-layers.ts');
  for (const imported of file.imports) {
    const message =
      imported.target === undefined
        ? whyPackageForbidden(file.path, imported.specifier)
        : (whyForbidden(module, imported.target) ?? whyPointsUp(file.path, imported.target));
    if (message !== undefined) yield problem(imported.line, message);
  }
  if (!ENVIRONMENT_READERS.some((folder) => file.path.startsWith(folder))) {
    for (const line of file.environmentLines)
      yield problem(line, 'reads the environment of the process; take it from the Config instead');
  }
  if (file.lineCount > MAX_LINES)
    yield problem(MAX_LINES + 1, `has ${file.lineCount} lines, more than ${MAX_LINES}; split it into two modules`);
}

function whyForbidden(module: string | undefined, target: string): string | undefined {
  const targetModule = moduleOf(target);
  if (targetModule === undefined) return `imports ${target}, which is outside the modules of src/`;
  if (module === undefined || module === targetModule) return undefined;
  const allowed = MAY_IMPORT[module] ?? [];
  if (!allowed.includes(targetModule))
    return `${module} imports ${targetModule} (${target}); it may import ${allowed.join(', ') || 'no other module'}`;
  const front = FRONTS[targetModule] ?? `src/${targetModule}/${targetModule}.ts`;
  return front === 'any' || target === front
    ? undefined
    : `imports ${target} past the front file of ${targetModule}; import ${front}`;
}

function whyPointsUp(path: string, target: string): string | undefined {
  const [from, to] = [path, target].map((file) => CLI_FOLDERS.indexOf(/^src\/cli\/([^/]+)\//.exec(file)?.[1] ?? ''));
  if (from === undefined || to === undefined || from === -1 || to <= from) return undefined;
  return `imports ${target}; ${CLI_FOLDERS[from]} is below ${CLI_FOLDERS[to]} in the command line`;
}

function whyPackageForbidden(path: string, specifier: string): string | undefined {
  const name = specifier.startsWith('@')
    ? specifier.split('/', 2).join('/')
    : isBuiltin(specifier)
      ? specifier
      : specifier.split('/', 1).join('');
  const entryPoint = Object.hasOwn(ENTRY_POINTS, name) ? ENTRY_POINTS[name] : undefined;
  const isAllowed =
    entryPoint === undefined || (entryPoint.endsWith('/') ? path.startsWith(entryPoint) : path === entryPoint);
  return isAllowed ? undefined : `imports ${specifier}; only ${entryPoint} may import it`;
}

function moduleOf(path: string): string | undefined {
  const module = Object.keys(FRONTS).find((name) => FRONTS[name] === path) ?? /^src\/([^/]+)\/.+/.exec(path)?.[1];
  return module !== undefined && Object.hasOwn(MAY_IMPORT, module) ? module : undefined;
}

/** Finds cycles depth first. Returns one problem for each import that closes a cycle. */
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

/** Resolves relative paths and the package's own name, which leads to its public entry points. */
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
  // The declarations of foreign packages (src/types) are not our modules.
  const paths = globSync('{src,actions}/**/*.ts', { cwd: root, exclude: ['**/*.d.ts'] });
  const problems = checkLayers(new Map(paths.sort().map((path) => [path, readFileSync(join(root, path), 'utf8')])));
  for (const { file, line, message } of problems) console.error(`${file}:${line} ${message}`);
  console.error(
    problems.length === 0
      ? `Layers: ${paths.length} files checked, no problem.`
      : `Layers: problems found: ${problems.length}.`,
  );
  process.exitCode = problems.length === 0 ? 0 : 1;
}
