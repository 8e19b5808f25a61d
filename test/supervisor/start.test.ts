import { expect } from 'chai';

import { ConfigError } from '../../src/core/errors.ts';
import { silentLog, type Log, type LogFields } from '../../src/core/log.ts';
import { SessionStartError, SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { localBrowser } from '../driver/support/local-browser.ts';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';
import { writeProgram } from '../driver/support/programs.ts';
import { rejectionOf } from '../support/rejection.ts';

/** A log that stores the reasons of its warnings. */
function makeLogOfReasons() {
  const reasons: string[] = [];
  const record = (_message: string, fields?: LogFields) => void reasons.push(String(fields?.['reason']));
  const log: Log = { ...silentLog, warn: record, child: () => log };
  return { reasons, log };
}

/** Writes a shell script that does `first` when it is started for the first time, and `later` afterwards. */
function writeProgramOf({ first, later }: { readonly first: string; readonly later: string }) {
  return writeProgram(`#!/bin/sh\nif mkdir "$0.begun" 2>/dev/null; then\n${first}\nfi\n${later}\n`);
}

describe('Options of SessionSupervisor.start', () => {
  for (const [options, message] of [
    [{ perHost: { concurrency: 0 } }, 'perHost.concurrency is 0; it must be'],
    [{ restartLimit: { limit: 1, window: 5 } }, 'restartLimit has no option window.'],
    [{ restore: { page: 'yes' } }, 'The option page must be true or false, and is a text.'],
    [{ sessionState: 5 }, 'The option sessionState must be a text, and is the number 5.'],
    [{ proxy: 5 }, 'The option proxy must be a text, and is the number 5.'],
  ] as const) {
    it(`are refused before a session starts: ${JSON.stringify(options)}`, async () => {
      await using server = await openScriptedWebDriver();
      const error = await rejectionOf(SessionSupervisor.start({ gridUrl: server.url, ...(options as object) }));
      expect(error).to.be.instanceOf(ConfigError);
      expect(error.message).to.contain(message);
      expect(server.requests).to.deep.equal([]);
    });
  }
});

describe('the start of a session', () => {
  it('is repeated if the driver dies during it', async () => {
    const { browserPath, driverPath } = await localBrowser();
    // The program ends when a session is requested: the first connection closes without an answer.
    const first = `timeout 20 ${process.execPath} -e "
      const server = require('node:net').createServer((socket) => process.exit(socket.destroy() && 1)).listen(0, '127.0.0.1', () =>
        console.log('ChromeDriver was started successfully on port ' + server.address().port + '.'));"
      exit 1`;
    await using driver = await writeProgramOf({ first, later: `exec ${driverPath} "$@"` });
    const { reasons, log } = makeLogOfReasons();
    await using supervisor = await SessionSupervisor.start({ browserPath, driverPath: driver.path, log });
    await supervisor.driver.get('data:text/html,<title>alive</title>');
    expect(await supervisor.driver.getTitle()).to.equal('alive');
    expect(reasons).to.have.length(1);
    expect(reasons[0]).to.match(/ended while it started the browser/);
  });

  it('is repeated if the driver is killed before it listens', async () => {
    const { browserPath, driverPath } = await localBrowser();
    await using driver = await writeProgramOf({ first: 'kill -9 $$', later: `exec ${driverPath} "$@"` });
    const { reasons, log } = makeLogOfReasons();
    await using supervisor = await SessionSupervisor.start({ browserPath, driverPath: driver.path, log });
    expect(supervisor.state).to.equal('alive');
    expect(reasons[0]).to.match(/did not start: the driver was ended by SIGKILL/);
  });

  it('is repeated if the browser dies during it', async () => {
    const { browserPath, driverPath } = await localBrowser();
    await using browser = await writeProgramOf({ first: 'kill -9 $$', later: `exec ${browserPath} "$@"` });
    const { reasons, log } = makeLogOfReasons();
    await using supervisor = await SessionSupervisor.start({ browserPath: browser.path, driverPath, log });
    expect(supervisor.state).to.equal('alive');
    expect(reasons).to.have.length(1);
    expect(reasons[0]).to.match(/ended as soon as it was started/);
  });

  it('fails if every attempt is interrupted', async () => {
    const { driverPath } = await localBrowser();
    await using browser = await writeProgram('#!/bin/sh\necho >> "$0.starts"\nkill -9 $$\n');
    const { reasons, log } = makeLogOfReasons();
    const error = await rejectionOf(SessionSupervisor.start({ browserPath: browser.path, driverPath, log }));
    expect(error).to.be.instanceOf(SessionStartError);
    expect(reasons).to.have.length(2);
  });

  it('is not repeated if the reason for the failure is permanent', async () => {
    const { driverPath } = await localBrowser();
    await using browser = await writeProgram(
      '#!/bin/sh\necho "error while loading shared libraries: libnss3.so: cannot open shared object file" >&2\nexit 127\n',
    );
    const { reasons, log } = makeLogOfReasons();
    const error = await rejectionOf(SessionSupervisor.start({ browserPath: browser.path, driverPath, log }));
    expect(error.message).to.match(/library libnss3.so is missing/);
    expect(reasons).to.deep.equal([]);
  });
});
