import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { expect } from 'chai';
import { killProcess } from 'webdriver-supervisor/testing';

import type { ProcessEnd } from '../../../src/driver/diagnosis/facts.ts';
import { identify, readDescriptors, readEnd } from '../../../src/driver/diagnosis/proc.ts';
import { readMemoryLimit, readTreeMemory } from '../../../src/driver/driver.ts';
import { eventually } from '../../support/eventually.ts';

/**
 * Starts a process whose parent never reads its exit status, as chromedriver does with a dead browser. It runs `line` when its standard
 * input closes.
 */
async function startUnreadChild(line: string) {
  const program = '$| = 1; if (!($pid = fork)) { <STDIN>; exec "sh", "-c", @ARGV } print $pid; sleep 1000';
  const parent = spawn('perl', ['-e', program, line]);
  const [output] = (await once(parent.stdout, 'data')) as [Buffer];
  return {
    pid: Number(output.toString()),
    run: () => parent.stdin.end('go\n'),
    async [Symbol.asyncDispose]() {
      parent.kill('SIGKILL');
      await once(parent, 'exit');
    },
  };
}

describe('The end of a process', function () {
  before(function () {
    if (process.platform !== 'linux') this.skip();
  });

  for (const { line, end } of [
    { line: 'kill -KILL $$', end: { kind: 'signal', signal: 9 } },
    { line: 'kill -TERM $$', end: { kind: 'signal', signal: 15 } },
    { line: 'ulimit -c 0; kill -SEGV $$', end: { kind: 'signal', signal: 11 } },
    { line: 'exit 3', end: { kind: 'code', code: 3 } },
    { line: 'exit 0', end: { kind: 'code', code: 0 } },
    { line: 'kill -STOP $$', end: { kind: 'stopped' } },
  ] satisfies { line: string; end: ProcessEnd }[])
    it(`is read as ${JSON.stringify(end)} after \`${line}\`, though the parent has not read its status`, async () => {
      await using child = await startUnreadChild(line);
      const known = identify(child.pid);
      if (known === undefined) throw new Error('The child is not in the process table.');
      expect(readEnd(known)).to.deep.equal({ kind: 'running' });
      child.run();
      const hasEnded = async () => readEnd(known)?.kind !== 'running';
      await eventually(hasEnded, 'the child has ended');
      expect(readEnd(known)).to.deep.equal(end);
      killProcess(child.pid);
    });

  it('is unknown for another process that got the same pid', () => {
    expect(readEnd({ pid: process.pid, startedAt: '1' })).to.equal(undefined);
  });

  it('is unknown for a process that does not exist', () => {
    expect(identify(4_194_305)).to.equal(undefined);
    expect(identify(undefined)).to.equal(undefined);
  });
});

describe('The usage of a process', function () {
  before(function () {
    if (process.platform !== 'linux') this.skip();
  });

  it('has its memory and its open files', () => {
    const memory = readTreeMemory(process.pid);
    expect(memory?.largestBytes).to.be.within(2 ** 20, memory?.totalBytes ?? 0);
    expect(readDescriptors(process.pid)?.used).to.be.within(3, readDescriptors(process.pid)?.limit ?? 0);
  });

  it('is unknown for a process that does not exist', () => {
    expect(readTreeMemory(4_194_305)).to.equal(undefined);
    expect(readMemoryLimit(4_194_305)).to.equal(undefined);
    expect(readDescriptors(4_194_305)).to.equal(undefined);
  });
});
