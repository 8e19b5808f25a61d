import { expect } from 'chai';
import { checkLayers } from '../../scripts/check-layers.ts';

/** Returns the messages for an invented tree, each as "file:line message". */
function check(tree: Record<string, string>): string[] {
  return checkLayers(new Map(Object.entries(tree))).map(({ file, line, message }) => `${file}:${line} ${message}`);
}

/** Returns the messages for a tree of one file with one line. */
function checkOne(path: string, line: string): string[] {
  return check({ [path]: `${line}\n` });
}

describe('check-layers: imports between modules', () => {
  it('accepts a tree that obeys the table', () => {
    const problems = check({
      'src/core/clock.ts': 'export const now = 1;',
      'src/core/errors.ts': "import { now } from './clock.ts';",
      'src/config/config.ts': "import { now } from '../core/clock.ts';",
      'src/driver/driver.ts': "import { By } from 'selenium-webdriver'; export * from './launch.ts';",
      'src/driver/launch.ts':
        "import type { Config } from '../config/config.ts'; import { spawn } from 'node:child_process';",
      'src/supervisor/supervisor.ts': "import { By } from '../driver/driver.ts'; import PQueue from 'p-queue';",
      'src/embed/embed.ts': "import '../supervisor/supervisor.ts';",
      'src/mocha.ts': "import './mocha/plugin.ts';",
      'src/mocha/plugin.ts': "import type { Test } from 'mocha'; import '../embed/embed.ts';",
      'src/testing.ts': "export * from './testing/kit.ts';",
      'src/testing/kit.ts': "import '../sessions/sessions.ts';",
      'src/index.ts': "export { By } from './driver/driver.ts';",
      'src/cli/main.ts':
        "import '../testing.ts'; import '../index.ts'; import { Command } from 'commander'; console.log(process.env.PATH);",
      'actions/smoke.ts': "import { defineAction } from 'webdriver-supervisor'; import { join } from 'node:path';",
    });
    expect(problems).to.deep.equal([]);
  });

  it('refuses an import that points up', () => {
    const problems = checkOne('src/core/clock.ts', "import { x } from '../driver/driver.ts';");
    expect(problems).to.deep.equal([
      'src/core/clock.ts:1 core imports driver (src/driver/driver.ts); it may import no other module',
    ]);
  });

  for (const [form, line] of Object.entries({
    'a type import': "import type { X } from '../registry/registry.ts';",
    'a type in an import expression': "export type X = import('../registry/registry.ts').X;",
    'a re-export': "export { x } from '../registry/registry.ts';",
    'a re-export of everything': "export * from '../registry/registry.ts';",
    'a re-exported type': "export type { X } from '../registry/registry.ts';",
    'a dynamic import': "await import('../registry/registry.ts');",
    'a bare import': "import '../registry/registry.ts';",
  })) {
    it(`counts ${form} as an import`, () => {
      expect(checkOne('src/supervisor/batch.ts', line).join()).to.match(
        /^src\/supervisor\/batch\.ts:1 supervisor imports registry/,
      );
    });
  }

  for (const [path, line, message] of [
    ['src/embed/embed.ts', "import '../runs/runs.ts';", 'embed imports runs'],
    ['src/runs/runs.ts', "import '../embed/embed.ts';", 'runs imports embed'],
    ['src/index.ts', "import './mocha.ts';", 'index imports mocha'],
    ['src/embed/embed.ts', "import type { Test } from 'mocha';", 'imports mocha; only src/mocha/ may import it'],
  ] as const) {
    it(`refuses imports between embed, mocha and the other modules: ${path} ${line}`, () => {
      expect(checkOne(path, line).join()).to.contain(message);
    });
  }

  it('refuses an import of a higher folder of the command line', () => {
    const importing = (name: string) => `import '../../${name}';`;
    expect(checkOne('src/cli/run/load/x.ts', importing('inspect/y.ts'))).to.deep.equal([
      'src/cli/run/load/x.ts:1 imports src/cli/inspect/y.ts; run is below inspect in the command line',
    ]);
    for (const lower of ['doctor/y.ts', 'run/y.ts'])
      expect(checkOne('src/cli/run/load/x.ts', importing(lower))).to.deep.equal([]);
  });

  it('refuses an import past the front file of another module', () => {
    const problems = checkOne('src/supervisor/heartbeat.ts', "import { x } from '../driver/launch.ts';");
    expect(problems).to.deep.equal([
      'src/supervisor/heartbeat.ts:1 imports src/driver/launch.ts past the front file of driver; import src/driver/driver.ts',
    ]);
  });

  it('refuses an import past the front file of testing', () => {
    expect(checkOne('src/cli/main.ts', "import '../testing/kit.ts';").join()).to.contain('import src/testing.ts');
  });

  it('refuses an import of the public entry point inside the modules, by path and by name', () => {
    for (const specifier of ['../index.ts', 'webdriver-supervisor']) {
      expect(checkOne('src/runs/runs.ts', `import '${specifier}';`).join(), specifier).to.contain('runs imports index');
    }
  });

  it('refuses a folder that is not in the table, and imports that leave src', () => {
    expect(checkOne('src/utils/misc.ts', '').join()).to.contain('belongs to no module');
    expect(checkOne('src/core/clock.ts', "import '../../scripts/bench.ts';").join()).to.contain('outside the modules');
  });
});

describe('check-layers: imports of other packages', () => {
  for (const [specifier, outsider, insider] of [
    ['selenium-webdriver/chrome.js', 'src/supervisor/supervisor.ts', 'src/driver/session.ts'],
    ['selenium-webdriver', 'src/index.ts', 'src/driver/driver.ts'],
    ['ws', 'src/supervisor/heartbeat.ts', 'src/driver/devtools.ts'],
    ['p-queue', 'src/runs/runs.ts', 'src/supervisor/batch.ts'],
    ['p-retry', 'src/supervisor/batch.ts', 'src/core/retry.ts'],
    ['winston', 'src/core/events.ts', 'src/core/log.ts'],
    ['kysely', 'src/sessions/sessions.ts', 'src/registry/registry.ts'],
    ['node:sqlite', 'src/sessions/sessions.ts', 'src/registry/registry.ts'],
    ['fastify', 'src/runs/runs.ts', 'src/monitor/server.ts'],
    ['pg-boss', 'src/registry/registry.ts', 'src/fleet/fleet.ts'],
    ['commander', 'src/runs/runs.ts', 'src/cli/main.ts'],
    ['cli-progress', 'src/runs/progress.ts', 'src/cli/main.ts'],
  ] as const) {
    it(`lets ${insider} import ${specifier}, and not ${outsider}`, () => {
      expect(checkOne(insider, `import type { X } from '${specifier}';`)).to.deep.equal([]);
      expect(checkOne(outsider, `import type { X } from '${specifier}';`).join()).to.contain('may import it');
    });
  }

  it('lets an action import only the public entry point', () => {
    for (const specifier of ['selenium-webdriver', '../src/index.ts', './helper.ts', 'webdriver-supervisor/testing']) {
      expect(checkOne('actions/mine.ts', `import '${specifier}';`), specifier).to.have.length(1);
    }
  });
});

describe('check-layers: files', () => {
  it('names the files of a cycle, type imports included', () => {
    const problems = check({
      'src/core/a.ts': "import type { B } from './b.ts';",
      'src/core/b.ts': "import { c } from './c.ts';",
      'src/core/c.ts': "\nimport type { A } from './a.ts';",
    });
    expect(problems).to.deep.equal([
      'src/core/c.ts:2 closes a cycle of imports: src/core/a.ts -> src/core/b.ts -> src/core/c.ts -> src/core/a.ts',
    ]);
  });

  it('accepts two files that import the same third file', () => {
    const problems = check({
      'src/core/a.ts': "import './b.ts'; import './c.ts';",
      'src/core/b.ts': "import './c.ts';",
      'src/core/c.ts': '',
    });
    expect(problems).to.deep.equal([]);
  });

  it('refuses a file of more than 400 lines', () => {
    expect(check({ 'src/core/a.ts': '\n'.repeat(400) })).to.deep.equal([]);
    expect(check({ 'src/core/a.ts': '\n'.repeat(401) }).join()).to.match(/has 401 lines/);
  });

  for (const line of [
    'process.env.HOME;',
    "process['env'].HOME;",
    'const { env } = process;',
    "import { env } from 'node:process';",
  ]) {
    it(`refuses ${line} outside config and cli`, () => {
      expect(checkOne('src/driver/launch.ts', line).join()).to.contain('reads the environment');
      expect(checkOne('src/config/config.ts', line)).to.deep.equal([]);
    });
  }

  it('ignores comments and strings', () => {
    expect(checkOne('src/core/a.ts', '// process.env\nconst text = "import \'ws\'; process.env";')).to.deep.equal([]);
  });

  it('reports a file that cannot be parsed', () => {
    expect(checkOne('src/core/a.ts', 'const = ;').join()).to.contain("can't be parsed");
  });
});
