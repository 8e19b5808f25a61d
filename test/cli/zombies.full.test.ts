import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const IN_OWN_NAMESPACE = ['--user', '--map-root-user', '--pid', '--fork', '--mount-proc'];
const PROGRAM = "import('./src/cli/check-zombies.ts').then(({ checkZombies }) => checkZombies()).then(console.log);";

/** Runs the check in a namespace of processes, as in a container. */
async function checkAsContainer(command: string): Promise<string> {
  const node = [
    process.execPath,
    '--conditions=webdriver-supervisor:source',
    '-e',
    `'${PROGRAM.replaceAll("'", '"')}'`,
  ];
  const line = command.replace('node', () => node.join(' '));
  const { stdout } = await promisify(execFile)('unshare', [...IN_OWN_NAMESPACE, '/bin/sh', '-c', line]);
  return stdout;
}

describe('checkZombies', () => {
  it('is content where process 1 clears ended processes away', async () => {
    expect(await checkAsContainer('node; true')).to.include("status: 'ok'");
  });

  it('warns where Node is process 1, and says what to do', async () => {
    expect(await checkAsContainer('exec node'))
      .to.include("status: 'warning'")
      .and.include('--init');
  });
});
