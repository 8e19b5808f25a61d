/**
 * Part of the build: puts the libraries that no public type names into `dist/libraries`, and makes the built modules import them from there.
 * A user of the package then installs a third of the packages. The licences of the libraries are in `dist/libraries/LICENSES.txt`.
 */
import { build } from 'esbuild';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { findPackageJSON, isBuiltin } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseSync } from 'oxc-parser';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(ROOT, 'dist');
const TARGET = join(DIST, 'libraries');
const LIBRARIES = [
  'acorn',
  'acorn-walk',
  'cli-progress',
  'commander',
  'csv-stringify/sync',
  'fast-xml-builder',
  'fastest-levenshtein',
  'undici',
];
const SPECIFIER = new RegExp(`((?:from|import\\(|require\\()\\s*)'(${LIBRARIES.join('|')})'`, 'g');
/** CommonJS modules in the bundle load built-in modules by `require`. */
const BANNER = "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);";

const { metafile } = await build({
  entryPoints: LIBRARIES.map((library) => ({ in: `library:${library}`, out: fileNameOf(library) })),
  plugins: [
    {
      name: 'library',
      setup(setup) {
        setup.onResolve({ filter: /^library:/ }, ({ path }) => ({ path: path.slice(8), namespace: 'library' }));
        setup.onLoad({ filter: /.*/, namespace: 'library' }, async ({ path }) => ({
          contents: await reExport(path),
          resolveDir: ROOT,
        }));
      },
    },
  ],
  outdir: TARGET,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node22',
  banner: { js: BANNER },
  legalComments: 'none',
  minifySyntax: true,
  minifyWhitespace: true,
  minifyIdentifiers: true,
  keepNames: true,
  metafile: true,
  absWorkingDir: ROOT,
});
writeFileSync(join(TARGET, 'LICENSES.txt'), licensesOf(Object.keys(metafile.inputs)));
const INSTALLED = installedNames();
for (const file of globSync('**/*.js', { cwd: DIST, exclude: ['libraries/**', 'monitor/dashboard/**'] })) {
  useBundle(join(DIST, file));
  assertInstalled(join(DIST, file));
}

function fileNameOf(library: string): string {
  return library.replace('/', '-');
}

/** A module that exports by name what Node.js finds in the library, also if the library is CommonJS. */
async function reExport(library: string): Promise<string> {
  const names = Object.keys((await import(library)) as object).filter((name) => /^\w+$/.test(name));
  return `export { ${names.join(', ')} } from '${library}';`;
}

function useBundle(file: string): void {
  const text = readFileSync(file, 'utf8');
  const changed = text.replaceAll(SPECIFIER, (_match, before: string, library: string) => {
    const path = relative(dirname(file), join(TARGET, `${fileNameOf(library)}.js`));
    return `${before}'${path.startsWith('.') ? path : `./${path}`}'`;
  });
  if (changed !== text) writeFileSync(file, changed);
}

/** The packages that a user has or can have, this one among them. */
function installedNames(): string[] {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<string, unknown>;
  const { name, dependencies, peerDependencies } = manifest;
  return [String(name), ...Object.keys({ ...(dependencies as object), ...(peerDependencies as object) })];
}

/** Throws if a module imports a package that is neither bundled nor installed with this one. */
function assertInstalled(file: string): void {
  const text = readFileSync(file, 'utf8');
  const { staticImports, staticExports, dynamicImports } = parseSync(file, text).module;
  const literals = dynamicImports.map(
    ({ moduleRequest: { start, end } }) => /^'(.+)'$/.exec(text.slice(start, end))?.[1],
  );
  const specifiers = [
    ...staticImports.map(({ moduleRequest }) => moduleRequest.value),
    ...staticExports.flatMap(({ entries }) => entries.map(({ moduleRequest }) => moduleRequest?.value)),
    ...literals,
  ].filter((one) => one !== undefined && /^[\w@]/.test(one) && !isBuiltin(one));
  for (const specifier of specifiers) {
    if (!INSTALLED.some((name) => specifier === name || specifier?.startsWith(`${name}/`)))
      throw new Error(`${file} imports ${specifier}, which a plain installation does not have.`);
  }
}

/** The licence of each package that a bundled file is from. */
function licensesOf(inputs: readonly string[]): string {
  const manifests = inputs
    .filter((input) => input.includes('node_modules/'))
    .map((input) => findPackageJSON(pathToFileURL(join(ROOT, input))))
    .filter((manifest) => manifest !== undefined);
  const texts = [...new Set(manifests)].sort().map((manifest) => {
    const { name, version, license } = JSON.parse(readFileSync(manifest, 'utf8')) as Record<string, string>;
    const [file] = globSync('{license,licence,LICENSE,LICENCE}*', { cwd: dirname(manifest) });
    const text =
      file === undefined ? `License: ${license}` : readFileSync(join(dirname(manifest), file), 'utf8').trim();
    return `${name} ${version}\n\n${text}\n`;
  });
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}
