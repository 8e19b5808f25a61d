/** The rows of full folders and of reached limits. A browser that meets one of them crashes; it is not killed. */
import { describeEnd, findVictim, isCrash, signalOf } from './ends.ts';
import type { Facts, FreeSpace } from './facts.ts';
import { bytes, quote, type Row } from './row.ts';

/** A picture of a screen takes 8 to 32 MB. */
const MIN_FREE_BYTES = 16 * 2 ** 20;
/** Docker's default. The pictures of a few pages fill it, and the end of a tab frees it again before it can be read. */
const SMALL_SHARED_MEMORY_BYTES = 64 * 2 ** 20;
const NEARLY_REACHED = 0.8;
const SHARED_MEMORY_WORDS = /Creating shared memory in \/dev\/shm\S* failed: No space/;
const DISK_WORDS = /No space left on device|FILE_ERROR_NO_SPACE|ENOSPC|database or disk is full/;
const DESCRIPTOR_WORDS = /Too many open files|EMFILE/;
const PROCESS_WORDS = /(?:pthread_create|fork|clone|thread).*Resource temporarily unavailable/i;

/** True if the process failed by itself, or if it is not known how it ended. */
const mayHaveFailed = (facts: Facts) => {
  const victim = findVictim(facts);
  return victim !== undefined && (victim.end === undefined || isCrash(victim.end));
};
/** Chromium checks some writes to shared memory (SIGTRAP); others fail in the kernel (SIGBUS). */
const failedToWrite = (facts: Facts) => /^SIG(BUS|TRAP|ILL)$/.test(signalOf(findVictim(facts)?.end) ?? '');

const isFull = (space: FreeSpace | undefined) =>
  space !== undefined && (space.freeBytes < MIN_FREE_BYTES || space.freeFiles === 0);

const isSmall = (space: FreeSpace | undefined) => space !== undefined && space.totalBytes <= SMALL_SHARED_MEMORY_BYTES;

const isNearlyReached = (usage: Facts['descriptors']) =>
  usage !== undefined && usage.used >= NEARLY_REACHED * usage.limit;

function describeSpace({ folder, freeBytes, totalBytes, freeFiles }: FreeSpace): string {
  if (freeFiles === 0 && freeBytes >= MIN_FREE_BYTES) return `${folder} can take no more files`;
  return `${folder} has ${bytes(freeBytes)} free of ${bytes(totalBytes)}`;
}

function describeFailure(facts: Facts): string | undefined {
  const victim = findVictim(facts);
  return victim?.end && `the ${victim.name} was ended ${describeEnd(victim.end)}`;
}

const SHARED_MEMORY_ADVICE =
  'Give the container more shared memory (docker run --shm-size=1g), or add --disable-dev-shm-usage to BROWSER_ARGUMENTS';

function adviseDisk({ temporaryFolder }: Facts): string {
  const folder = temporaryFolder === undefined ? '' : ` (${temporaryFolder.folder})`;
  return `Free space on the disk of the temporary folder${folder}, or set TMPDIR to another folder`;
}

function adviseDescriptors({ descriptors }: Facts): string {
  const now = descriptors === undefined ? '' : ` (now ${descriptors.limit})`;
  return `Raise the limit of open files${now} with \`ulimit -n 65536\` or docker run --ulimit nofile=65536, or open fewer pages at a time`;
}

function adviseProcesses({ processes }: Facts): string {
  const now = processes === undefined ? '' : ` (now ${processes.limit})`;
  return `Raise the limit of processes and threads${now} with docker run --pids-limit, \`ulimit -u\` or TasksMax of systemd, or run fewer sessions (MAX_SESSIONS)`;
}

function describeProcesses({ processes, refusedProcesses }: Facts): string | undefined {
  if (processes === undefined) return undefined;
  const refused = refusedProcesses === undefined ? '' : `, and ${refusedProcesses} more were refused`;
  return `the limit of processes and threads is ${processes.limit}; there were ${processes.used}${refused}`;
}

const describeDescriptors = ({ descriptors }: Facts) =>
  descriptors && `the browser had ${descriptors.used} files open at the last look; its limit is ${descriptors.limit}`;

export const RESOURCE_ROWS: readonly Row[] = [
  {
    reason: 'shared-memory-full',
    confidence: 'certain',
    when: (facts) => mayHaveFailed(facts) && SHARED_MEMORY_WORDS.test(facts.output),
    evidence: (facts) => [
      facts.sharedMemory && describeSpace(facts.sharedMemory),
      quote(facts, SHARED_MEMORY_WORDS),
      describeFailure(facts),
    ],
    advice: () => SHARED_MEMORY_ADVICE,
  },
  {
    reason: 'shared-memory-full',
    confidence: 'likely',
    when: (facts) => failedToWrite(facts) && (isFull(facts.sharedMemory) || isSmall(facts.sharedMemory)),
    evidence: (facts) => [facts.sharedMemory && describeSpace(facts.sharedMemory), describeFailure(facts)],
    advice: () => SHARED_MEMORY_ADVICE,
  },
  {
    reason: 'disk-full',
    confidence: 'certain',
    when: (facts) => mayHaveFailed(facts) && DISK_WORDS.test(facts.output) && isFull(facts.temporaryFolder),
    evidence: (facts) => [
      facts.temporaryFolder && describeSpace(facts.temporaryFolder),
      quote(facts, DISK_WORDS),
      describeFailure(facts),
    ],
    advice: adviseDisk,
  },
  {
    reason: 'disk-full',
    confidence: 'likely',
    when: (facts) => failedToWrite(facts) && isFull(facts.temporaryFolder),
    evidence: (facts) => [facts.temporaryFolder && describeSpace(facts.temporaryFolder), describeFailure(facts)],
    advice: adviseDisk,
  },
  {
    // The folder may have space again, because the end of the browser has freed it.
    reason: 'disk-full',
    confidence: 'likely',
    when: (facts) => mayHaveFailed(facts) && DISK_WORDS.test(facts.output),
    evidence: (facts) => [quote(facts, DISK_WORDS), describeFailure(facts)],
    advice: adviseDisk,
  },
  {
    reason: 'limit-reached',
    confidence: 'certain',
    when: (facts) => mayHaveFailed(facts) && DESCRIPTOR_WORDS.test(facts.output),
    evidence: (facts) => [describeDescriptors(facts), quote(facts, DESCRIPTOR_WORDS), describeFailure(facts)],
    advice: adviseDescriptors,
  },
  {
    reason: 'limit-reached',
    confidence: 'certain',
    when: (facts) => mayHaveFailed(facts) && PROCESS_WORDS.test(facts.output) && (facts.refusedProcesses ?? 0) > 0,
    evidence: (facts) => [describeProcesses(facts), quote(facts, PROCESS_WORDS), describeFailure(facts)],
    advice: adviseProcesses,
  },
  {
    reason: 'limit-reached',
    confidence: 'likely',
    when: (facts) => mayHaveFailed(facts) && (PROCESS_WORDS.test(facts.output) || (facts.refusedProcesses ?? 0) > 0),
    evidence: (facts) => [
      describeProcesses(facts) ?? 'the system refused another process or thread',
      quote(facts, PROCESS_WORDS),
      describeFailure(facts),
    ],
    advice: adviseProcesses,
  },
  {
    reason: 'limit-reached',
    confidence: 'likely',
    when: (facts) => isCrash(findVictim(facts)?.end) && isNearlyReached(facts.descriptors),
    evidence: (facts) => [describeDescriptors(facts), describeFailure(facts)],
    advice: adviseDescriptors,
  },
];
