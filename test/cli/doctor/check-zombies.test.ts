import { expect } from 'chai';

import { warnOfZombies } from '../../../src/cli/doctor/check-zombies.ts';
import type { Log } from '../../../src/core/log.ts';

describe('warnOfZombies', () => {
  const check = () =>
    Promise.resolve({ name: 'processes', status: 'warning', message: 'zombies stay behind' } as const);
  const warningsFor = async (nameFile: string): Promise<string[]> => {
    const warnings: string[] = [];
    const log = { warn: (message: string) => void warnings.push(message) } as Partial<Log> as Log;
    await warnOfZombies(log, { nameFile, check });
    return warnings;
  };

  it('checks a process 1 whose name cannot be read', async function () {
    if (process.platform !== 'linux') this.skip();
    expect(await warningsFor('/proc/does-not-exist/comm')).to.have.length(1);
  });
});
