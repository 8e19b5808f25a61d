import { expect } from 'chai';

import { findReason } from '../../../src/driver/diagnosis/reasons.ts';
import { crashedTab, died, ended, FULL, itFinds, makeFacts, MB, type Case } from './support/check-reasons.ts';

const OUT_OF_MEMORY: readonly Case[] = [
  {
    what: 'a browser that the kernel killed in a container',
    facts: {
      browser: ended('SIGKILL'),
      memory: { oomKills: 1, cgroup: { used: 200 * MB, limit: 256 * MB }, cgroupPeakBytes: 256 * MB },
    },
    is: 'out-of-memory certain',
    evidence: /^the kernel killed the browser for lack of memory: 256 MB of 256 MB were used$/,
    advice: /now 256 MB; docker run --memory/,
  },
  {
    what: 'a tab that the kernel killed on a machine without a limit',
    facts: { ...crashedTab('killed', 9), memory: { oomKills: 2 } },
    is: 'out-of-memory certain',
    evidence: /^the kernel killed the tab for lack of memory: the machine has 16\.0 GB$/,
  },
  {
    what: 'a driver that the kernel killed',
    facts: { ...died('driver-gone', 'the driver was ended by SIGKILL'), memory: { oomKills: 1 } },
    is: 'out-of-memory certain',
    evidence: /^the kernel killed the driver/,
  },
  {
    what: 'a tab of which Chromium says that it ran out of memory',
    facts: crashedTab('oom', 5),
    is: 'out-of-memory certain',
  },
  {
    what: 'a page that used its whole JavaScript heap',
    facts: {
      ...crashedTab('crashed', 5),
      output:
        '[5883:0x3b94]  2846 ms: Mark-Compact (reduce) 66.5 (67.3) -> 66.5 (67.3) MB, pooled: 0.0 MB\n' +
        '[5883:5883:1130/212208.051570:ERROR:v8_oom.cc:49] V8 javascript OOM (Reached heap limit).\n',
    },
    is: 'out-of-memory certain',
    evidence: /^the JavaScript of the page used its whole heap of 67 MB$/,
    advice: /--max-old-space-size/,
  },
  {
    what: 'a browser that ended in an unknown way when the kernel killed a process of its cgroup',
    facts: { memory: { oomKills: 1 } },
    is: 'out-of-memory likely',
  },
  {
    what: 'a browser that was killed without a cgroup when the kernel killed a process of the machine',
    facts: { browser: ended('SIGKILL'), memory: { oomKills: undefined, machineOomKills: 1 } },
    is: 'out-of-memory likely',
  },
  {
    what: 'a browser that was killed while its cgroup was nearly full',
    facts: { browser: ended('SIGKILL'), memory: { cgroup: { used: 250 * MB, limit: 256 * MB } } },
    is: 'out-of-memory likely',
    evidence: /SIGKILL while memory was nearly full: 250 MB of 256 MB were used/,
  },
  {
    what: 'a browser that crashed while its cgroup was nearly full of reclaimable memory',
    facts: { browser: ended('SIGSEGV'), memory: { cgroup: { used: 250 * MB, limit: 256 * MB } } },
    is: 'crashed certain',
  },
  {
    what: 'a tab that crashed because it got no memory',
    facts: { ...crashedTab('crashed', 6), output: "terminate called after throwing 'std::bad_alloc'\n" },
    is: 'out-of-memory likely',
  },
  {
    what: 'a tab that crashed near the memory limit of a process',
    facts: { ...crashedTab('crashed', 5), memory: { largestBytes: 390 * MB, processLimit: 400 * MB } },
    is: 'out-of-memory likely',
    evidence: /used 390 MB, and its limit is 400 MB/,
  },
];

const RESOURCES: readonly Case[] = [
  {
    what: 'a tab that could not write to full shared memory',
    facts: { ...crashedTab('crashed', 7), sharedMemory: { ...FULL, folder: '/dev/shm' } },
    is: 'shared-memory-full likely',
    evidence: /^\/dev\/shm has 4 KB free of 500 MB$/,
    advice: /--shm-size=1g\), or add --disable-dev-shm-usage to BROWSER_ARGUMENTS/,
  },
  {
    what: 'a tab that could not write to the small shared memory of a container',
    facts: {
      ...crashedTab('crashed', 5),
      sharedMemory: { ...FULL, folder: '/dev/shm', freeBytes: 40 * MB, totalBytes: 64 * MB },
    },
    is: 'shared-memory-full likely',
    evidence: /^\/dev\/shm has 40 MB free of 64 MB$/,
  },
  {
    what: 'a tab that failed otherwise, with full shared memory',
    facts: { ...crashedTab('crashed', 11), sharedMemory: { ...FULL, folder: '/dev/shm' } },
    is: 'crashed certain',
  },
  {
    what: 'a browser whose output names the shared memory',
    facts: {
      browser: ended('SIGTRAP'),
      output: 'Creating shared memory in /dev/shm/.org.chromium.1 failed: No space left on device (28)\n',
    },
    is: 'shared-memory-full certain',
  },
  {
    what: 'a browser whose output and whose folder show a full disk',
    facts: { browser: ended('SIGTRAP'), output: 'write failed: No space left on device (28)\n', temporaryFolder: FULL },
    is: 'disk-full certain',
    evidence: /^\/tmp\/wds-1 has 4 KB free of 500 MB$/,
    advice: /temporary folder \(\/tmp\/wds-1\), or set TMPDIR/,
  },
  {
    what: 'a tab that could not write to a full temporary folder',
    facts: { ...crashedTab('crashed', 5), temporaryFolder: FULL },
    is: 'disk-full likely',
  },
  {
    what: 'a tab in a temporary folder that can take no more files',
    facts: { ...crashedTab('crashed', 5), temporaryFolder: { ...FULL, freeBytes: 900 * MB, freeFiles: 0 } },
    is: 'disk-full likely',
    evidence: /can take no more files/,
  },
  {
    what: 'a browser whose output shows a disk that was full',
    facts: { browser: ended('SIGABRT'), output: 'FILE_ERROR_NO_SPACE\n' },
    is: 'disk-full likely',
  },
  {
    what: 'a browser that could open no more files',
    facts: {
      browser: ended('SIGTRAP'),
      descriptors: { used: 250, limit: 256 },
      output: '[1:2:1130/212203.85:FATAL:channel.cc:154] Check failed: . : Too many open files (24)\n',
    },
    is: 'limit-reached certain',
    evidence: /^the browser had 250 files open at the last look; its limit is 256$/,
    advice: /\(now 256\) with `ulimit -n 65536`/,
  },
  {
    what: 'a browser that crashed near its limit of open files, without a word',
    facts: { browser: ended('SIGTRAP'), descriptors: { used: 220, limit: 256 } },
    is: 'limit-reached likely',
  },
  {
    what: 'a tab that could start no thread in a container',
    facts: {
      ...crashedTab('crashed', 5),
      processes: { used: 190, limit: 190 },
      refusedProcesses: 4,
      output: '[1:1:1130/212304.08:ERROR:thread.cc:162] pthread_create: Resource temporarily unavailable (11)\n',
    },
    is: 'limit-reached certain',
    evidence: /^the limit of processes and threads is 190; there were 190, and 4 more were refused$/,
    advice: /--pids-limit/,
  },
  {
    what: 'a tab that could start no thread because of a limit of the user',
    facts: { ...crashedTab('crashed', 5), output: 'pthread_create: Resource temporarily unavailable (11)\n' },
    is: 'limit-reached likely',
  },
];

const CRASHES: readonly Case[] = [
  ...(['SIGSEGV', 'SIGILL', 'SIGABRT', 'SIGBUS', 'SIGTRAP'] as const).map((signal): Case => ({
    what: `a browser that ended by ${signal}`,
    facts: { browser: ended(signal) },
    is: 'crashed certain',
    evidence: new RegExp(`^the browser crashed: it was ended by ${signal}$`),
  })),
  { what: 'a tab that crashed', facts: crashedTab('crashed', 11), is: 'crashed certain', evidence: /SIGSEGV/ },
  { what: 'a tab with an exit code', facts: crashedTab('abnormal termination', 7), is: 'crashed likely' },
  { what: 'a browser with an exit code', facts: { browser: { kind: 'code', code: 3 } }, is: 'crashed likely' },
  {
    what: 'a browser that ended in an unknown way after a fatal message',
    facts: { output: 'Received signal 11 SEGV_MAPERR 000000000000\n' },
    is: 'crashed likely',
    evidence: /crashed/,
  },
  {
    what: 'a browser without a usable GPU process',
    facts: { browser: ended('SIGTRAP'), output: "[1:1:1130/1.2:FATAL:gpu.cc:1] GPU process isn't usable. Goodbye.\n" },
    is: 'crashed certain',
    evidence: /GPU process/,
    advice: /--disable-gpu/,
  },
  {
    what: 'a tab that the browser ended for an invalid message',
    facts: { ...crashedTab('killed', 9), output: 'ERROR: Terminating renderer for bad IPC message, reason 123\n' },
    is: 'crashed certain',
    evidence: /invalid message/,
  },
  {
    what: 'a driver for another version of the browser',
    facts: {
      ...died('driver-gone', 'the driver was ended by SIGSEGV'),
      mismatch: { browser: '157.0.1', driver: '156.0.2' },
    },
    is: 'crashed certain',
    advice: /for version 157\.0\.1/,
  },
  {
    what: 'a page that crashed an earlier session as well',
    facts: { ...crashedTab('crashed', 11), deathsAtPage: 1 },
    is: 'crashed certain',
    advice: /http:\/\/shop\/1/,
  },
];

describe('The reason of the end of a process', () => {
  itFinds([...OUT_OF_MEMORY, ...RESOURCES, ...CRASHES]);

  it('has evidence without secrets, and of a limited length', () => {
    const output = `[1:1:1130/1.2:FATAL:x.cc:1] Check failed: token=Xk29Fs81mQp37Zt ${'x'.repeat(5_000)}\n`;
    const { evidence } = findReason(makeFacts({ browser: ended('SIGTRAP'), output }));
    expect(evidence.join('\n')).to.contain('Check failed').and.not.to.contain('Xk29Fs81mQp37Zt');
    expect(evidence.join('\n').length).to.be.lessThan(400);
  });

  it('mentions the earlier deaths at the page that crashed the browser', () => {
    const { evidence } = findReason(makeFacts({ browser: ended('SIGSEGV'), deathsAtPage: 1 }));
    expect(evidence.at(-1)).to.equal('it is death 2 at the page http://shop/1');
  });
});
