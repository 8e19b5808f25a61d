import { expect } from 'chai';

import {
  makeFakeBrowser,
  makeFolder,
  openSite,
  runCli,
  STACK_LINE,
  type CliOptions,
  type FakeBrowser,
} from '../cli.ts';

const PAGES = 'test/fixtures/actions/pages.ts';
const DEFINE = "import { defineAction, z } from 'webdriver-supervisor';\n";
const definition = (params: string): string =>
  `defineAction({ name: 'mine', description: 'x', params: z.object({ ${params} }), run() {} })`;

interface BadInput {
  readonly title: string;
  readonly args: readonly string[];
  readonly says: readonly (RegExp | string)[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** The bad inputs. `SITE` is replaced by the URL of a site that answers. */
const ARGUMENTS: readonly BadInput[] = [
  { title: 'no action at all', args: ['run'], says: ['Name an action', 'Known actions: check-links, gather-catalog'] },
  { title: 'a flag before the action', args: ['run', '--headed', PAGES], says: ['first, before --headed'] },
  {
    title: 'an unknown action',
    args: ['run', 'gather-catalgo'],
    says: [
      'There is no action "gather-catalgo". Searched folders: /',
      'Did you mean gather-catalog?',
      'see webdriver-supervisor actions',
    ],
  },
  { title: 'a file that is missing', args: ['run', './nothing.ts'], says: ['./nothing.ts does not exist'] },
  { title: 'a folder', args: ['run', './test'], says: ['./test is not a file'] },
  {
    title: 'an unknown parameter',
    args: ['run', PAGES, '--url', 'SITE', '--page', '3'],
    says: ['--page is unknown. Did you mean --pages?', '--help'],
  },
  {
    title: 'a parameter in camel case',
    args: ['run', PAGES, '--url', 'SITE', '--pauseMs', '3'],
    says: ['Did you mean --pause-ms?'],
  },
  {
    title: 'a parameter of the wrong type',
    args: ['run', PAGES, '--url', 'SITE', '--pages', 'three'],
    says: ['--pages is "three"; it must be a number.'],
  },
  {
    title: 'a number out of its limits',
    args: ['run', PAGES, '--url', 'SITE', '--pages', '51'],
    says: ['--pages is 51; it must be a whole number from 1 to 50.'],
  },
  {
    title: 'a value that is none of the choices',
    args: ['run', PAGES, '--url', 'SITE', '--mode', 'headin'],
    says: ['--mode is "headin"; it must be one of title, heading. Did you mean heading?'],
  },
  { title: 'a missing parameter', args: ['run', PAGES], says: ['--url is missing (the site); it must be a URL.'] },
  {
    title: 'a flag without its value',
    args: ['run', PAGES, '--url', '--pages', '2'],
    says: ['--url needs a value: --url <url>.'],
  },
  {
    title: 'a value for a flag that takes none',
    args: ['run', PAGES, '--url', 'SITE', '--strict=maybe'],
    says: ['--strict takes no value; write --strict or --no-strict.'],
  },
  {
    title: 'several mistakes, all reported at once',
    args: ['run', PAGES, '--pages', '0', '--format', 'xml', '--sessions', '1.5', '--grid', 'nowhere', '--ulr', 'x'],
    says: [
      "pages can't be run like this:",
      '--pages is 0',
      '--format is "xml"; it must be one of jsonl, jsonl.gz, csv.',
      '--sessions is 1.5',
      '--grid must be an http or https URL',
      '--ulr is unknown. Did you mean --url?',
      '--url is missing',
    ],
  },
  {
    title: 'an owner with several sessions',
    args: ['run', PAGES, '--url', 'SITE', '--owner', 'ann', '--sessions', '2'],
    says: ['--owner names the owner of one session'],
  },
  { title: 'a further word', args: ['run', PAGES, '--url', 'SITE', 'extra'], says: ['"extra": only flags can follow'] },
  {
    title: 'flags that npm took as its own',
    args: ['run', PAGES, 'SITE'],
    environment: { npm_lifecycle_event: 'action', npm_config_url: 'SITE' },
    says: ['npm took --url as its own', `npm run action -- ${PAGES} --flag value`],
  },
  {
    title: 'an option of another command given twice',
    args: ['runs', 'list', '--limit', '3', '--limit=4'],
    says: ['error: --limit is given twice: "3" and "4". Give it once.'],
  },
  {
    title: 'a site that refuses connections',
    args: ['run', PAGES, '--url', 'http://127.0.0.1:2/'],
    says: ["http://127.0.0.1:2/ can't be reached: the connection is refused."],
  },
  {
    title: 'a host that does not exist',
    args: ['run', PAGES, '--url', 'http://nowhere.invalid/'],
    says: [/http:\/\/nowhere\.invalid\/ can't be reached: (no such host|its name could not be looked up)/],
  },
  {
    title: 'an output folder below a file',
    args: ['run', PAGES, '--url', 'SITE', '--output', '/dev/null/data'],
    says: ["The output folder /dev/null/data can't be written to", '--output'],
  },
  {
    title: 'an output folder in a file system without write access',
    args: ['run', PAGES, '--url', 'SITE', '--output', '/proc/data'],
    says: ["The output folder /proc/data can't be written to"],
  },
  {
    title: 'a wrong setting',
    args: ['run', PAGES, '--url', 'SITE'],
    environment: { HEARTBEAT_INTERVAL_SECONDS: 'often' },
    says: ['HEARTBEAT_INTERVAL_SECONDS', 'the environment', '"often"'],
  },
  {
    title: 'a missing driver',
    args: ['run', PAGES, '--url', 'SITE'],
    environment: { CHROMEDRIVER: '/nowhere/chromedriver' },
    says: ['CHROMEDRIVER is /nowhere/chromedriver, which does not exist.'],
  },
  {
    title: 'a browser that does not start',
    args: ['run', PAGES, '--url', 'SITE'],
    environment: { CHROME_BINARY: '/bin/false' },
    says: ['The browser or its driver does not start: /bin/false --version', 'webdriver-supervisor doctor'],
  },
  {
    title: 'a timeout that is not a number of minutes',
    args: ['reset-stuck', '--timeout', '-0', '--execute'],
    says: ['--timeout is "-0"; it must be a number of minutes above 0, such as 10 or 0.5.'],
  },
  {
    title: 'flags of reset-stuck that npm kept for itself',
    args: ['reset-stuck', '10'],
    environment: { npm_lifecycle_event: 'reset-stuck', npm_config_timeout: 'true', npm_config_execute: 'true' },
    says: ['npm took --timeout, --execute as its own', 'Write npm run reset-stuck -- --timeout MINUTES --execute'],
  },
  {
    title: 'a word after reset-stuck',
    args: ['reset-stuck', '10'],
    says: ['reset-stuck takes flags only; "10" is not a flag.', 'webdriver-supervisor reset-stuck --help'],
  },
  { title: 'an unknown command', args: ['rnu'], says: ["unknown command 'rnu'", 'Did you mean run?'] },
  { title: 'an unknown flag of a command', args: ['actions', '--jsno'], says: ['--jsno', 'Did you mean --json?'] },
];

const MODULES: readonly { title: string; file: string; text: string; says: readonly (RegExp | string)[] }[] = [
  {
    title: 'no default export',
    file: 'mine.ts',
    text: `${DEFINE}export const mine = ${definition('')};`,
    says: ['mine.ts has no default export', 'write `export default mine`'],
  },
  {
    title: 'a default export that is not an action',
    file: 'mine.mjs',
    text: 'export default 42;',
    says: ['mine.mjs: its default export is a number, not an action'],
  },
  {
    title: 'a definition without defineAction',
    file: 'mine.mjs',
    text: 'export default { name: "mine", params: {}, run() {} };',
    says: ['was not passed through defineAction'],
  },
  {
    title: 'a syntax error in TypeScript',
    file: 'mine.ts',
    text: `${DEFINE}const one: number = 1;\nexport default one two;`,
    says: ['mine.ts:3:20: syntax error', 'export default one two;', '^^^'],
  },
  {
    title: 'a syntax error in JavaScript',
    file: 'mine.mjs',
    text: 'const one = 1;\n  const two = = 2;\nexport default one;',
    says: ["mine.mjs:2:15: syntax error: Unexpected token '='", 'const two = = 2;'],
  },
  {
    title: 'TypeScript that Node does not run',
    file: 'mine.ts',
    text: 'enum Size { Small }\nexport default Size;',
    says: ['mine.ts:1:1: syntax error', 'leaving out its types'],
  },
  {
    title: 'an import that is missing',
    file: 'mine.ts',
    text: "import './names.ts';\nexport default 1;",
    says: [/mine\.ts:1 imports \S*names\.ts, which does not exist/],
  },
  {
    title: 'a package that is not installed',
    file: 'mine.ts',
    text: "import left from 'left-pad-of-nobody';\nexport default left;",
    says: ["mine.ts:1 imports 'left-pad-of-nobody', which can't be found", 'npm install left-pad-of-nobody'],
  },
  {
    title: 'an export that does not exist',
    file: 'mine.ts',
    text: "import { nobody } from 'webdriver-supervisor';\nexport default nobody;",
    says: ["mine.ts:1:10: The requested module 'webdriver-supervisor' does not provide an export named 'nobody'"],
  },
  {
    title: 'a throw at its top level',
    file: 'mine.mjs',
    text: '\nthrow new RangeError("too far");',
    says: ['mine.mjs failed while it was loaded: RangeError: too far', 'mine.mjs:2:7'],
  },
  {
    title: 'a parameter named like a flag of run',
    file: 'mine.ts',
    text: `${DEFINE}export default ${definition('json: z.string()')};`,
    says: ['mine.ts:2:16: Action "mine": the parameter "json" would be the flag --json'],
  },
];

describe('bad input', () => {
  async function expectRefused(
    args: readonly string[],
    says: readonly (RegExp | string)[],
    { browser, ...options }: CliOptions & { browser: FakeBrowser },
  ): Promise<void> {
    const { code, stdout, stderr } = await runCli(args, options);
    for (const words of says) {
      if (typeof words === 'string') expect(stderr).to.include(words);
      else expect(stderr).to.match(words);
    }
    expect(code).to.equal(2);
    expect(stderr)
      .to.match(/^error: /m)
      .and.not.match(STACK_LINE);
    expect(stdout).to.equal('');
    expect(browser.wasStarted).to.equal(false);
  }

  for (const { title, args, says, environment = {} } of ARGUMENTS) {
    it(`is refused before a browser starts: ${title}`, async () => {
      await using site = await openSite();
      using browser = makeFakeBrowser();
      const filled = args.map((arg) => (arg === 'SITE' ? site.url : arg));
      await expectRefused(filled, says, { browser, environment: { ...browser.environment, ...environment } });
    });
  }

  for (const { title, file, text, says } of MODULES) {
    it(`is reported with its location: a module with ${title}`, async () => {
      using folder = makeFolder({ [file]: text });
      using browser = makeFakeBrowser();
      await expectRefused(['run', `./${file}`], says, { browser, cwd: folder.path, environment: browser.environment });
    });
  }

  it('is reported with its location in a JSON file that the module imports', async () => {
    using folder = makeFolder({
      'mine.ts': "import data from './data.json' with { type: 'json' };\nexport default data;",
      'data.json': '{\n  "a": 1,,\n}\n',
    });
    using browser = makeFakeBrowser();
    const says = [/^error: data\.json:2:10: syntax error: Expected double-quoted property name/];
    await expectRefused(['run', './mine.ts'], says, { browser, cwd: folder.path, environment: browser.environment });
  });

  it('is refused with both versions if browser and driver do not match', async () => {
    await using site = await openSite();
    using browser = makeFakeBrowser({ driver: '120.0.9.9' });
    const says = ['is 150.0.1.2, but the driver', 'is 120.0.9.9', 'Install chromedriver 150', 'CHROMEDRIVER'];
    await expectRefused(['run', PAGES, '--url', site.url], says, { browser, environment: browser.environment });
  });

  it('ends with 2 and one message if a Grid does not answer', async () => {
    await using site = await openSite();
    using output = makeFolder();
    const args = ['run', PAGES, '--url', site.url, '--grid', 'http://127.0.0.1:2', '--output', output.path];
    const { code, stdout, stderr } = await runCli(args);
    expect(stdout.split('\n')[0]).to.include('No WebDriver endpoint answers at http://127.0.0.1:2');
    expect(stdout + stderr).to.not.match(STACK_LINE);
    expect(code).to.equal(2);
  });

  it('shows the stack of an error with --verbose', async () => {
    using folder = makeFolder({ 'mine.mjs': 'throw new RangeError("too far");' });
    const { code, stderr } = await runCli(['run', './mine.mjs', '--verbose'], { cwd: folder.path });
    expect(stderr).to.match(STACK_LINE).and.include('caused by: RangeError: too far');
    expect(code).to.equal(2);
  });

  it('never repeats a secret', async () => {
    const text = `${DEFINE}export default ${definition('apiKey: z.string().min(50)')};`;
    using folder = makeFolder({ 'mine.ts': text });
    const { stderr } = await runCli(['run', './mine.ts', '--api-key', 'hunter2'], { cwd: folder.path });
    expect(stderr).to.include('--api-key').and.not.include('hunter2');
  });
});
