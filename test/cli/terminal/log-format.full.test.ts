import { expect } from 'chai';

import { openScriptedWebDriver } from '../../../src/testing.ts';
import { makeFolder, runCli } from '../cli.ts';

const ACTION = `import { defineAction, z } from 'webdriver-supervisor';
export default defineAction({ name: 'chatty', description: 'Writes.', params: z.object({}),
  async run({ step, log }) {
    console.log('two\\nlines');
    for (let number = 0; number < 3; number += 1) log.warn('slow');
    process.stderr.write('raw\\n');
    process.stderr.write(Buffer.from('bytes'), () => log.warn('written'));
    process.emitWarning('custom');
    await step('a', () => { throw new Error('no luck'); });
  },
});`;

/** Returns which lines are objects of JSON. */
function parseLines(text: string): (Record<string, unknown> | undefined)[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => (line.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : undefined));
}

describe('LOG_FORMAT', () => {
  it('decides the form of each line on stderr: the log, the output of the action, its error and the summary', async () => {
    using folder = makeFolder({ 'chatty.ts': ACTION });
    await using server = await openScriptedWebDriver();
    const run = async (LOG_FORMAT: string) => {
      const environment = { REGISTRY_URL: 'sqlite:registry.db', LOG_FORMAT };
      const args = ['run', './chatty.ts', '--grid', server.url, '--json', '--verbose'];
      return await runCli(args, { cwd: folder.path, environment });
    };
    const text = await run('');
    expect(text.stderr)
      .to.include('two\nlines\n')
      .and.match(/^warning: slow {2}\(/m)
      .and.match(/^warning: slow \(3 times\) {2}\(/m)
      .and.match(/^debug: Warning: custom$/m)
      .and.match(/^chatty failed after/m);
    expect(parseLines(text.stderr).filter((entry) => entry !== undefined)).to.deep.equal([]);
    const json = await run('json');
    const messages = parseLines(json.stderr).map(
      (entry) => `${String(entry?.['level'])} ${String(entry?.['message'])}`,
    );
    expect(messages).to.include.members([
      'info two\nlines',
      'warn slow',
      'warn slow (3 times)',
      'info raw',
      'info bytes',
      'warn written',
      'debug Warning: custom',
    ]);
    expect(messages.at(-1)).to.match(/^info .*no luck.*\nchatty failed after/);
    expect(messages.join('\n')).to.not.include('undefined');
    expect([text.code, json.code]).to.deep.equal([1, 1]);
  });

  it('decides the form of a warning about the environment', async () => {
    using folder = makeFolder();
    const warn = async (LOG_FORMAT: string) => {
      const environment = { HEARTBEAT_INTERVAL_SECOND: '3', LOG_FORMAT };
      return (await runCli(['--version'], { cwd: folder.path, environment })).stderr;
    };
    expect(await warn('text')).to.match(
      /^warning: The environment variable HEARTBEAT_INTERVAL_SECOND is not a setting/,
    );
    expect(parseLines(await warn('json'))[0]).to.include({ level: 'warn' });
  });

  for (const args of [
    ['run', 'nothing'],
    ['doctr'],
    ['doctor', '--unknown'],
    ['runs', 'show', 'nothing'],
    ['smoke', 'x'],
  ]) {
    it(`decides the form of an error: ${args.join(' ')}`, async () => {
      using folder = makeFolder();
      const { stderr } = await runCli(args, { cwd: folder.path, environment: { LOG_FORMAT: 'json' } });
      expect(parseLines(stderr)[0]).to.include({ level: 'error' });
      expect(parseLines(stderr)).to.not.include(undefined);
    });
  }
});
