import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import {
  findCgroups,
  readMemory,
  readMemoryPeak,
  readOomKills,
  readProcesses,
  readRefusedProcesses,
  type Cgroups,
} from '../../../src/driver/diagnosis/cgroup.ts';
import { readFreeMemory } from '../../../src/driver/free-memory.ts';
import { MB } from './support/check-reasons.ts';

const PID = 7;
const V1_MOUNTS =
  '35 31 0:32 ROOT /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n' +
  '39 31 0:36 ROOT /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n';
const V2_MOUNT = '31 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n';

/** Writes files below a root folder, and returns the facts of the cgroups of a process there. */
async function read(files: Readonly<Record<string, string>>) {
  return readAs(files, (cgroups) => ({
    memory: readMemory(cgroups),
    peak: readMemoryPeak(cgroups),
    oomKills: readOomKills(cgroups),
    processes: readProcesses(cgroups),
    refused: readRefusedProcesses(cgroups),
  }));
}

/** Writes files below a root folder, and reads from the cgroups of a process there. */
async function readAs<Value>(
  files: Readonly<Record<string, string>>,
  look: (cgroups: Cgroups) => Value,
): Promise<Value> {
  await using root = await mkdtempDisposable(path.join(tmpdir(), 'cgroup-'));
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(root.path, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return look(findCgroups(PID, root.path));
}

describe('The cgroups of a process', () => {
  it('limit the free memory of a container, in which file caches count as free', async () => {
    const files = {
      'proc/7/cgroup': '0::/\n',
      'proc/self/mountinfo': V2_MOUNT,
      'sys/fs/cgroup/memory.max': `${64 * MB}\n`,
      'sys/fs/cgroup/memory.current': `${50 * MB}\n`,
      'sys/fs/cgroup/memory.stat': `anon 1\ninactive_file ${30 * MB}\n`,
    };
    expect(await readAs(files, readFreeMemory)).to.equal(44 * MB);
  });

  it('of version 1 have the tightest limit of all levels, and the events of the own one', async () => {
    const facts = await read({
      'proc/7/cgroup': '8:pids:/shop\n4:memory:/shop/browser\n0::/\n',
      'proc/self/mountinfo': V1_MOUNTS.replaceAll('ROOT', '/'),
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
      'sys/fs/cgroup/memory/shop/memory.limit_in_bytes': `${256 * MB}\n`,
      'sys/fs/cgroup/memory/shop/memory.usage_in_bytes': `${200 * MB}\n`,
      'sys/fs/cgroup/memory/shop/memory.max_usage_in_bytes': `${255 * MB}\n`,
      'sys/fs/cgroup/memory/shop/memory.stat': `inactive_file 1\ntotal_inactive_file ${50 * MB}\n`,
      'sys/fs/cgroup/memory/shop/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 9\n',
      'sys/fs/cgroup/memory/shop/browser/memory.limit_in_bytes': '9223372036854771712\n',
      'sys/fs/cgroup/memory/shop/browser/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n',
      'sys/fs/cgroup/pids/shop/pids.max': '100\n',
      'sys/fs/cgroup/pids/shop/pids.current': '40\n',
      'sys/fs/cgroup/pids/shop/pids.events': 'max 4\n',
    });
    expect(facts).to.deep.equal({
      memory: { used: 150 * MB, limit: 256 * MB },
      peak: 255 * MB,
      oomKills: 2,
      processes: { used: 40, limit: 100 },
      refused: 4,
    });
  });

  it('of version 2 have a limit of a parent', async () => {
    const facts = await read({
      'proc/7/cgroup': '0::/user.slice/browser.scope\n',
      'proc/self/mountinfo': V2_MOUNT,
      'sys/fs/cgroup/user.slice/memory.max': `${512 * MB}\n`,
      'sys/fs/cgroup/user.slice/memory.current': `${300 * MB}\n`,
      'sys/fs/cgroup/user.slice/memory.peak': `${512 * MB}\n`,
      'sys/fs/cgroup/user.slice/memory.stat': `inactive_file ${100 * MB}\n`,
      'sys/fs/cgroup/user.slice/pids.max': 'max\n',
      'sys/fs/cgroup/user.slice/browser.scope/memory.max': 'max\n',
      'sys/fs/cgroup/user.slice/browser.scope/memory.events': 'oom 3\noom_kill 1\noom_group_kill 0\n',
      'sys/fs/cgroup/user.slice/browser.scope/pids.max': '300\n',
      'sys/fs/cgroup/user.slice/browser.scope/pids.current': '120\n',
      'sys/fs/cgroup/user.slice/browser.scope/pids.events': 'max 0\n',
    });
    expect(facts).to.deep.equal({
      memory: { used: 200 * MB, limit: 512 * MB },
      peak: 512 * MB,
      oomKills: 1,
      processes: { used: 120, limit: 300 },
      refused: 0,
    });
  });

  for (const [what, membership] of [
    ['repeats the name of the container', '/docker/0123'],
    ['is relative to the container', '/'],
  ])
    it(`are found in a container whose membership ${what}`, async () => {
      const { memory, oomKills } = await read({
        'proc/7/cgroup': `4:memory:${membership}\n`,
        'proc/self/mountinfo': V1_MOUNTS.replaceAll('ROOT', membership === '/' ? '/' : '/docker/0123'),
        'sys/fs/cgroup/memory/memory.limit_in_bytes': `${64 * MB}\n`,
        'sys/fs/cgroup/memory/memory.usage_in_bytes': `${32 * MB}\n`,
        'sys/fs/cgroup/memory/memory.oom_control': 'oom_kill 5\n',
      });
      expect({ memory, oomKills }).to.deep.equal({ memory: { used: 32 * MB, limit: 64 * MB }, oomKills: 5 });
    });

  it('have no facts if none is mounted, as on macOS', async () => {
    const none = { memory: undefined, peak: undefined, oomKills: undefined, processes: undefined, refused: undefined };
    expect(await read({ 'proc/7/cgroup': '0::/a\n' })).to.deep.equal(none);
    expect(await read({})).to.deep.equal(none);
  });
});
