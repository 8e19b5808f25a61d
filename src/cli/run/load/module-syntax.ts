/** Actions are ES modules, also in a project whose package.json has the type "commonjs", as `npm init` writes it. */
import { readFileSync } from 'node:fs';
import type { ResolveFnOutput } from 'node:module';
import { fileURLToPath } from 'node:url';

/** A line that no CommonJS module can have. `import(` can be in either. */
const MODULE_SYNTAX = /^(?:import\s*["'{*\w]|export\s)/m;
const FORMATS: Readonly<Record<string, string>> = {
  commonjs: 'module',
  'commonjs-typescript': 'module-typescript',
};

/** Returns a `.js` or `.ts` file of the user's that has imports or exports as an ES module, whatever its package.json says. */
export function withModuleSyntax(resolved: ResolveFnOutput): ResolveFnOutput {
  const format = FORMATS[resolved.format ?? ''];
  if (format === undefined || !/^file:(?!.*\/node_modules\/).*\.[jt]s(\?|$)/.test(resolved.url)) return resolved;
  const isModule = MODULE_SYNTAX.test(readFileSync(fileURLToPath(resolved.url), 'utf8'));
  return isModule ? { ...resolved, format } : resolved;
}
