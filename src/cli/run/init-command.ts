/** The `init` command: makes a project that has the library as a dependency ready for actions and smoke tests. No file is written over. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

import { Command } from 'commander';

import { findProjectRoot, projectPath } from '../../config/config.ts';
import { ConfigError, toError } from '../../core/errors.ts';
import { hasActions } from './load/find-action.ts';
import { isModuleProject } from './load/module-syntax.ts';
import { GITHUB_TEMPLATE, GITLAB_TEMPLATE, IGNORED, NPM_SCRIPTS, SETTINGS_TEMPLATE } from './init-templates.ts';
import { commandLine } from '../terminal/command-line.ts';
import { actionTemplate } from './new-templates.ts';
import { printResult } from '../terminal/terminal.ts';
import { writeNew } from './write-new.ts';

export function makeInitCommand(): Command {
  return new Command('init')
    .summary('make a project ready for actions')
    .description(
      'Makes an example action, a settings file, npm scripts, entries of .gitignore and a smoke test for CI. What is there already is left.',
    )
    .configureHelp({ commandUsage: () => commandLine('init', '[options]') })
    .option('--gitlab', 'also make a smoke test for GitLab CI')
    .option('--verbose', 'show where errors come from')
    .addHelpText('after', `\nExample:\n  ${commandLine('init')}`)
    .action(async ({ gitlab = false }: { gitlab?: boolean }) => {
      if (findProjectRoot() === undefined)
        throw new ConfigError('There is no package.json in this folder or above it. Make one first: npm init -y');
      const lines = [
        ...(hasActions() ? [`left     ${projectPath('actions')}: it has actions`] : [await make('actions/example.ts')]),
        await make('config/supervisor.json'),
        ...addScripts(),
        addIgnored(),
        await make('.github/workflows/smoke.yml'),
        ...(gitlab ? [await make('.gitlab-ci.yml')] : []),
      ];
      printResult(
        `${lines.map((line) => `${line}\n`).join('')}\nTry:  npm run smoke -- https://example.com/\n` +
          `      ${commandLine('run', 'example --url https://example.com/')}\n` +
          (isModuleProject() ? '' : `\n${MODULE_NOTE}\n`),
      );
    });
}

const MODULE_NOTE =
  'Actions work as they are. Scripts and tests of your own that import the package need "type": "module" in package.json: npm pkg set type=module';

const TEMPLATES = {
  'actions/example.ts': actionTemplate('example'),
  'config/supervisor.json': SETTINGS_TEMPLATE,
  '.github/workflows/smoke.yml': GITHUB_TEMPLATE,
  '.gitlab-ci.yml': GITLAB_TEMPLATE,
} as const;

/** Returns the line about the file. */
async function make(name: keyof typeof TEMPLATES): Promise<string> {
  const file = projectPath(name);
  if (existsSync(file)) return `left     ${file}: it exists`;
  await writeNew(file, TEMPLATES[name]);
  return `made     ${file}`;
}

/** Adds the scripts that are missing to package.json, and leaves its indent as it is. */
function addScripts(): string[] {
  const file = projectPath('package.json');
  const text = readFileSync(file, 'utf8');
  let manifest: { scripts?: Record<string, string> };
  try {
    manifest = JSON.parse(text) as typeof manifest;
  } catch (thrown) {
    throw new ConfigError(`${file} can't be read as JSON: ${toError(thrown).message}`, { cause: thrown });
  }
  const { scripts = {} } = manifest;
  const missing = Object.entries(NPM_SCRIPTS).filter(([name]) => !Object.hasOwn(scripts, name));
  const foreign = Object.entries(NPM_SCRIPTS).filter(
    ([name, script]) => Object.hasOwn(scripts, name) && scripts[name] !== script,
  );
  if (missing.length > 0) {
    const indent = /^([ \t]+)"/m.exec(text)?.[1] ?? '  ';
    const changed = { ...manifest, scripts: { ...scripts, ...Object.fromEntries(missing) } };
    writeFileSync(file, `${JSON.stringify(changed, undefined, indent)}\n`);
  }
  const names = (entries: readonly [string, string][]) => entries.map(([name]) => name).join(', ');
  return [
    missing.length === 0 ? `left     ${file}: it has the scripts` : `changed  ${file}: scripts ${names(missing)}`,
    ...foreign.map(([name]) => `left     ${file}: its own script ${name}`),
  ];
}

function addIgnored(): string {
  const file = projectPath('.gitignore');
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const present = new Set(text.split('\n').map((line) => line.trim().replace(/^\/|\/$/g, '')));
  const missing = IGNORED.filter((entry) => !present.has(entry.replace(/\/$/, '')));
  if (missing.length === 0) return `left     ${file}: it has the entries`;
  const start = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  writeFileSync(file, `${start}${missing.join('\n')}\n`);
  return `${text === '' ? 'made   ' : 'changed'}  ${file}: ${missing.join(', ')}`;
}
