/** Actions are ES modules, also in a project whose package.json has the type "commonjs", as `npm init` writes it. */
import { existsSync, readFileSync } from 'node:fs';
import type { ResolveFnOutput } from 'node:module';
import { fileURLToPath } from 'node:url';

import { projectPath } from '../../../config/config.ts';

/** A line that no CommonJS module can have. `import(` can be in either. */
const MODULE_SYNTAX = /^(?:import\s*["'{*\w]|export\s)/m;
const FORMATS: Readonly<Record<string, string>> = {
  commonjs: 'module',
  'commonjs-typescript': 'module-typescript',
};

/** Returns whether Node.js itself takes the `.js` and `.ts` files of the project as ES modules, without this program. */
export function isModuleProject(): boolean {
  const file = projectPath('package.json');
  return existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { type?: unknown }).type === 'module';
}

/** Returns a `.js` or `.ts` file of the user that has imports or exports as an ES module, for every `type` of its package.json. */
export function withModuleSyntax(resolved: ResolveFnOutput): ResolveFnOutput {
  const format = FORMATS[resolved.format ?? ''];
  if (format === undefined || !/^file:(?!.*\/node_modules\/).*\.[jt]s(\?|$)/.test(resolved.url)) return resolved;
  const isModule = MODULE_SYNTAX.test(readFileSync(fileURLToPath(resolved.url), 'utf8'));
  return isModule ? { ...resolved, format } : resolved;
}
