import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { itInNamespaces, OWN_PROCESSES } from '../../support/namespaces.ts';

const PROGRAM =
  "import('./src/cli/doctor/check-zombies.ts').then(({ checkZombies }) => checkZombies()).then(console.log);";

/** Runs the check in its own namespace of processes, as in a container. */
async function checkAsContainer(command: string): Promise<string> {
  const node = [
    process.execPath,
    '--conditions=webdriver-supervisor:source',
    '-e',
    `'${PROGRAM.replaceAll("'", '"')}'`,
  ];
  const line = command.replace('node', () => node.join(' '));
  const { stdout } = await promisify(execFile)('unshare', [...OWN_PROCESSES, '/bin/sh', '-c', line]);
  return stdout;
}

describe('checkZombies', () => {
  const itAsContainer = itInNamespaces(OWN_PROCESSES);

  itAsContainer('is content where process 1 clears ended processes away', async () => {
    expect(await checkAsContainer('node; true')).to.include("status: 'ok'");
  });

  itAsContainer('warns where Node is process 1, and says what to do', async () => {
    expect(await checkAsContainer('exec node'))
      .to.include("status: 'warning'")
      .and.include('--init');
  });
});
