import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { killProcess } from 'webdriver-supervisor/testing';

import { eventually } from '../../../support/eventually.ts';

const ROOT = '/sys/fs/cgroup';

/** Returns the folder in which cgroups of a controller can be made; undefined if this user may not do that, or if they have no controller. */
function findParent(controller: string): string | undefined {
  const v1 = path.join(ROOT, controller);
  const parent = existsSync(v1) ? v1 : ROOT;
  try {
    accessSync(path.join(parent, 'cgroup.procs'), constants.W_OK);
    const hasController =
      parent === v1 || readFileSync(path.join(ROOT, 'cgroup.subtree_control'), 'utf8').split(/\s/).includes(controller);
    return hasController ? parent : undefined;
  } catch {
    return undefined;
  }
}

/** Returns why no cgroup of a controller can be made; undefined if one can. */
export function whyNoCgroup(controller: string): string | undefined {
  return findParent(controller) === undefined ? `this user can make no cgroup for ${controller}` : undefined;
}

/** Makes a cgroup. Disposing kills its processes and removes it. */
export function makeCgroup(controller: string) {
  const folder = path.join(findParent(controller) ?? '', `wds-test-${process.pid}`);
  mkdirSync(folder);
  const read = (file: string) => readFileSync(path.join(folder, file), 'utf8').trim();
  return {
    /** The shell command with which a program enters the cgroup. */
    enter: `echo $$ > ${folder}/cgroup.procs`,
    read,
    /** Writes the first of the files that exists, because the versions of cgroups have different names. */
    write: (files: readonly string[], value: number) => {
      const file = files.find((name) => existsSync(path.join(folder, name)));
      writeFileSync(path.join(folder, file ?? ''), String(value));
    },
    async [Symbol.asyncDispose]() {
      const isRemoved = async () => {
        for (const pid of read('cgroup.procs').split('\n').filter(Boolean)) killProcess(Number(pid));
        try {
          rmdirSync(folder);
          return true;
        } catch {
          // A killed process has not left it yet.
          return false;
        }
      };
      await eventually(isRemoved, `the cgroup ${folder} is removed`);
    },
  };
}
