/** The memory that new programs can get on this machine, or in the container of this program. */
import { findCgroups, readMemory, type Cgroups } from './diagnosis/cgroup.ts';
import { readMachineMemory } from './diagnosis/machine.ts';

/** Returns the free memory in bytes, within the limits of the control groups; undefined if this system does not show it. */
export function readFreeMemory(cgroups: Cgroups = findCgroups(process.pid)): number | undefined {
  const usages = [readMachineMemory(), readMemory(cgroups)].filter((usage) => usage !== undefined);
  if (usages.length === 0) return undefined;
  return Math.max(0, Math.min(...usages.map(({ limit, used }) => limit - used)));
}
