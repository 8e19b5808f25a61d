/** The `new` command: writes an action that works without changes, and its test. */
import { existsSync } from 'node:fs';
import path from 'node:path';

import { Command } from 'commander';

import { projectPath } from '../../config/config.ts';
import { ConfigError } from '../../core/errors.ts';
import { toFlag } from '../../core/shell-words.ts';
import { commandLine, isNpmScript } from '../terminal/command-line.ts';
import { isModuleProject } from './load/module-syntax.ts';
import { actionTemplate, testTemplate } from './new-templates.ts';
import { printResult } from '../terminal/terminal.ts';
import { writeNew } from './write-new.ts';

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const ENDINGS = ['.ts', '.js', '.mjs'];

export function makeNewCommand(): Command {
  return new Command('new')
    .summary('make a new action and its test')
    .description(
      'Writes actions/<name>.ts, an action that works without changes, and test/actions/<name>.test.ts. No file is overwritten.',
    )
    .configureHelp({ commandUsage: () => commandLine('new', '<name>') })
    .argument('<name>', 'lower case letters and digits with single dashes, such as gather-prices')
    .option('--verbose', 'show where errors come from')
    .addHelpText('after', `\nExample:\n  ${commandLine('new', 'gather-prices')}`)
    .action(async (name: string) => {
      validateName(name);
      const action = projectPath('actions', `${name}.ts`);
      const test = projectPath('test', 'actions', `${name}.test.ts`);
      const taken = [...ENDINGS.map((ending) => projectPath('actions', name + ending)), test].find((file) =>
        existsSync(file),
      );
      if (taken !== undefined)
        throw new ConfigError(`${taken} exists already and is not overwritten. Choose another name.`);
      await writeNew(action, actionTemplate(name));
      await writeNew(test, testTemplate(name));
      printResult(
        `Written: ${action} and ${test}\n\n` +
          `Run it:   ${commandLine('run', `${name} --url https://example.com/`)}\n` +
          `Test it:  ${testLine(test)}\n`,
      );
    });
}

function validateName(name: string): void {
  if (NAME.test(name)) return;
  const better = toFlag(path.parse(name).name)
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-$/g, '');
  const hint = NAME.test(better) ? ` Try ${commandLine('new', better)}` : '';
  throw new ConfigError(
    `"${name}" is not a valid name for an action: use lower case letters and digits with single dashes, such as gather-prices.${hint}`,
  );
}

function testLine(test: string): string {
  if (isNpmScript(process.env)) return `npm test -- ${test}`;
  const install = existsSync(projectPath('node_modules', 'mocha')) ? '' : 'npm install --save-dev mocha && ';
  const type = isModuleProject() ? '' : 'npm pkg set type=module && ';
  return `${type}${install}npx mocha ${test}`;
}
