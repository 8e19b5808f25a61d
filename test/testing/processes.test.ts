import { expect } from 'chai';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  descendantsOf,
  findBrowserProcess,
  freeze,
  isAlive,
  killProcess,
  listProcesses,
  processState,
  rendererProcesses,
  unfreeze,
  waitUntilGone,
} from '../../src/testing/processes.ts';
import { eventually } from '../support/eventually.ts';
import { startRealDriver } from '../support/real-driver.ts';
import { send } from '../support/send.ts';

/** Starts a parent with one child, whose pid is known; both end with the test. */
async function startFamily(): Promise<{ parent: number; child: number } & AsyncDisposable> {
  const parent = spawn('sh', ['-c', 'sleep 600 & echo $!; wait'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(parent.stdout, 'data');
  const child = Number(line);
  return {
    parent: parent.pid ?? 0,
    child,
    async [Symbol.asyncDispose]() {
      killProcess(child);
      await endOf(parent);
    },
  };
}

async function endOf(child: ChildProcess): Promise<void> {
  const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
  child.kill('SIGKILL');
  await ended;
}

describe('processes: the table', () => {
  it('lists this process with its command line, parent and group', () => {
    const self = listProcesses().find(({ pid }) => pid === process.pid);
    expect(self?.ppid).to.equal(process.ppid);
    expect(self?.command).to.contain('mocha');
    expect(self?.pgid).to.be.greaterThan(0);
  });

  it('finds children before grandchildren', async () => {
    await using family = await startFamily();
    // This process may have other children.
    const members = descendantsOf(process.pid).filter(({ pid }) => [family.parent, family.child].includes(pid));
    expect(members.map(({ pid }) => pid)).to.deep.equal([family.parent, family.child]);
    expect(descendantsOf(family.child)).to.deep.equal([]);
  });

  it('does not list a process that is gone', async () => {
    const child = spawn('true');
    const pid = child.pid ?? 0;
    await once(child, 'exit');
    expect([processState(pid), isAlive(pid), killProcess(pid)]).to.deep.equal([undefined, false, false]);
  });

  it('reports a zombie as dead, although kill(pid, 0) succeeds for it', async () => {
    // The shell becomes `cat`, which never reads the status of the child that it inherited.
    const parent = spawn('sh', ['-c', 'sleep 600 & echo $!; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [line] = await once(parent.stdout, 'data');
    const zombie = Number(line);
    parent.stdin.write('are you the cat?');
    await once(parent.stdout, 'data');
    killProcess(zombie);
    await waitUntilGone([zombie]);
    expect(processState(zombie)).to.equal('Z');
    expect(isAlive(zombie)).to.equal(false);
    expect(process.kill(zombie, 0)).to.equal(true);
    await endOf(parent);
  });

  it('refuses to signal all processes', () => {
    for (const pid of [1, 0, -1, NaN]) expect(() => killProcess(pid), String(pid)).to.throw(RangeError);
  });
});

describe('processes: freezing and waiting', () => {
  it('stops a single process and continues it', async () => {
    await using family = await startFamily();
    expect(await freeze(family.parent)).to.deep.equal([family.parent]);
    expect(processState(family.parent)).to.equal('T');
    expect(processState(family.child)).to.be.oneOf(['R', 'S']);
    expect(isAlive(family.parent)).to.equal(true);
    unfreeze(family.parent);
    expect(processState(family.parent)).not.to.equal('T');
  });

  it('stops a whole tree and continues it', async () => {
    await using family = await startFamily();
    expect(await freeze(family.parent, { tree: true })).to.deep.equal([family.parent, family.child]);
    expect([processState(family.parent), processState(family.child)]).to.deep.equal(['T', 'T']);
    unfreeze(family.parent, { tree: true });
    expect([processState(family.parent), processState(family.child)]).not.to.include('T');
  });

  it('resolves when the last process is gone, and names those that survive the time limit', async () => {
    await using family = await startFamily();
    const isAsleep = async () => processState(family.child) === 'S';
    await eventually(isAsleep, 'the shell has become `sleep`, which is asleep');
    const failure = await waitUntilGone([family.child], { timeoutMs: 20 }).catch((error: Error) => error.message);
    expect(failure).to.contain(`${family.child} (S) sleep 600`);
    killProcess(family.child);
    await waitUntilGone([family.child]);
    expect(isAlive(family.child)).to.equal(false);
  });
});

describe('processes: a real browser', () => {
  it('finds the browser below its driver, and the renderer with the tab', async () => {
    await using driver = await startRealDriver();
    expect(findBrowserProcess(driver.pid)).to.equal(undefined);
    const session = await driver.openSession();
    expect(findBrowserProcess(driver.pid)?.pid).to.equal(session.browserPid);
    const renderers = rendererProcesses(session.browserPid);
    expect(renderers).not.to.have.length(0);
    for (const { pid } of renderers) killProcess(pid);
    const { json } = await send(`${session.url}/title`);
    expect(json.value.message).to.contain('tab crashed');
    expect(isAlive(session.browserPid)).to.equal(true);
    killProcess(session.browserPid);
    await waitUntilGone([session.browserPid]);
    expect(findBrowserProcess(driver.pid)).to.equal(undefined);
  });
});
