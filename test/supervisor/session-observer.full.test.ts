import { existsSync } from 'node:fs';

import { expect } from 'chai';

import { SessionSupervisor, type ObservedOptions } from '../../src/supervisor/supervisor.ts';

describe('SessionSupervisor: the observer of a session on this machine', () => {
  it('can wait in onEnded, after the action’s own quit, until no process and no folder is left', async () => {
    const gone = Promise.withResolvers<boolean>();
    const opened: { supervisor?: SessionSupervisor } = {};
    const folders: string[] = [];
    const options: ObservedOptions = {
      observer: {
        onFolder: async (folder) => void folders.push(folder),
        onEnded: () => void opened.supervisor?.stop().then(() => gone.resolve(!existsSync(folders[0]!)), gone.reject),
      },
    };
    const supervisor = await SessionSupervisor.start(options);
    opened.supervisor = supervisor;
    try {
      expect(folders).to.deep.equal([supervisor.driverFolder]);
      await supervisor.driver.quit();
      expect(await gone.promise, 'the folder is removed').to.equal(true);
    } finally {
      await supervisor.stop();
    }
  });
});
