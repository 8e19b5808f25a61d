/** The reasons of this machine that keep a browser or its driver from starting, known by the words that the programs print. */
import { closeSync, existsSync, openSync, readlinkSync, readSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

interface Reason {
  /** Text of Chromium, its driver, the loader of libraries, or the operating system. */
  readonly words: RegExp;
  /** A sentence without its full stop: the reason, and the way out. */
  readonly explanation: (match: RegExpExecArray) => string;
}

/** First match wins. Each was provoked on Chromium 156 on Linux, except the texts of macOS. */
const REASONS: readonly Reason[] = [
  {
    words: /No usable sandbox/,
    explanation: () =>
      'Chromium found no usable sandbox: this user may not create user namespaces, as in most containers. Allow them, or set ' +
      'BROWSER_ARGUMENTS=--no-sandbox if every page that is visited is trusted',
  },
  {
    words: /Missing X server or \$DISPLAY|Cannot open (X )?display/i,
    explanation: () =>
      'there is no display for a window of the browser. Leave out --headed (HEADLESS=false), or set DISPLAY, or run under xvfb-run',
  },
  {
    words: /Failed to create (\S+)\/SingletonLock|user data directory is already in use/,
    explanation: ([, folder]) => describeUsedProfile(folder),
  },
  {
    words: /Too many open files|EMFILE/,
    explanation: () =>
      'the limit of open files is too low. Raise it with `ulimit -n 4096`; a browser needs several hundred',
  },
  {
    // Chromium keeps its shared memory there if the system gives it no memfd. A full one is no full disk.
    words: /Creating shared memory in \S+ failed: ([^\n(]+)/,
    explanation: ([, why]) =>
      `the shared memory in /dev/shm can't be used (${why?.trim()}). Set BROWSER_ARGUMENTS=--disable-dev-shm-usage, or give the container more ` +
      '(--shm-size=1g)',
  },
  {
    words: /FILE_ERROR_NO_SPACE|No space left on device|ENOSPC/,
    explanation: () => `the temporary folder ${tmpdir()} is full. Make room there, or set TMPDIR to another folder`,
  },
  {
    words: /failed to write prefs file/,
    explanation: () =>
      `the profile can't be written. Make room in the temporary folder ${tmpdir()}, or in USER_DATA_DIR if it is set, or choose another folder`,
  },
  {
    words: /error while loading shared libraries: ([^\s:]+): (?:cannot open shared object file|([^\n]+))/,
    explanation: ([, library, defect]) =>
      `the library ${library} ${defect === undefined ? 'is missing' : `can't be loaded (${defect.trim()})`}. Install the program with its ` +
      'dependencies',
  },
  {
    words: /undefined symbol: ([^\s,]+)|version `([^']+)' not found/,
    explanation: ([, symbol, version]) =>
      `a library of this system does not fit: it lacks ${symbol ?? version}. Update the system, or install a version that is made for it`,
  },
  {
    words: /ENOENT[^\n]*mkdir '([^']+)\/[^'/]+'/,
    explanation: ([, folder]) => `the temporary folder ${folder} does not exist. Create it, or correct TMPDIR`,
  },
  {
    words: /(EACCES|EROFS)[^\n]*mkdir '([^']+)\/[^'/]+'/,
    explanation: ([, , folder]) => `the temporary folder ${folder} can't be written to. Set TMPDIR to another folder`,
  },
  {
    words: /Exec format error|ENOEXEC|Bad CPU type|system error -86/,
    explanation: () => 'the program is for another kind of machine. Install the right one',
  },
  {
    words: /failed to execvp:\s+(\S+)|spawn (\S+) ENOENT/,
    explanation: ([, browser, driver]) => describeUnrunnable(browser ?? driver ?? ''),
  },
];

/** Less was seen to end Chromium 156 while it starts, without a word, if the system gives it no memfd. */
const LEAST_SHARED_MEMORY_BYTES = 8 * 2 ** 20;

/** The machines of ELF headers (`e_machine`) that run the programs of a Node of this architecture. */
const ELF_MACHINES: Partial<Record<NodeJS.Architecture, readonly number[]>> = {
  x64: [62, 3],
  ia32: [3],
  arm64: [183, 40],
  arm: [40],
};

/**
 * Returns why one of `programs` did not start: a sentence with the way out, without its full stop. Undefined if neither `words`, which they
 * printed, nor their files say.
 */
export function findStartReason(words: string, programs: readonly string[]): string | undefined {
  for (const { words: pattern, explanation } of REASONS) {
    const match = pattern.exec(words);
    if (match !== null) return explanation(match);
  }
  // A shell is given what the system can't run, and says nothing useful about it.
  const foreign = programs.find(isForeign);
  if (foreign === undefined) return undefined;
  return `the program ${foreign} is for another kind of machine than this one (${process.platform} ${process.arch}). Install the right one`;
}

/** Returns what there is to say about small shared memory, as a possible reason; undefined if there is enough. */
export function describeSmallSharedMemory(): string | undefined {
  const freeBytes = freeSharedMemory();
  if (freeBytes > LEAST_SHARED_MEMORY_BYTES) return undefined;
  const free = freeBytes < 2 ** 20 ? `${Math.floor(freeBytes / 2 ** 10)} KB` : `${Math.floor(freeBytes / 2 ** 20)} MB`;
  return (
    `A possible reason: the shared memory is too small, for /dev/shm has only ${free} left. Set BROWSER_ARGUMENTS=--disable-dev-shm-usage, ` +
    'or give the container more (--shm-size=1g).'
  );
}

function freeSharedMemory(): number {
  try {
    const { bsize, bavail } = statfsSync('/dev/shm');
    return bsize * bavail;
  } catch {
    // A system without the folder, such as macOS, has another way.
    return Infinity;
  }
}

/** The holder of a profile is in the target of the link that Chromium makes there, as `host-pid`. */
function describeUsedProfile(folder: string | undefined): string {
  const what = `the profile ${folder ?? 'folder'} is in use`;
  const way = 'One session at a time can use a profile: end the other one, or set another USER_DATA_DIR';
  try {
    const holder = folder === undefined ? undefined : readlinkSync(path.join(folder, 'SingletonLock'));
    const [, host, pid] = /^(.*)-(\d+)$/.exec(holder ?? '') ?? [];
    return `${what}${pid === undefined ? '' : ` by process ${pid} on ${host}`}. ${way}`;
  } catch {
    return `${what}. ${way}`;
  }
}

/** The system says the same if the file is missing, and if what its first line or its header names is. */
function describeUnrunnable(program: string): string {
  if (!existsSync(program))
    return `the program ${program} is not there any more. Install it again, or correct its path`;
  return `the program ${program} needs an interpreter or a loader that this system does not have. Install one that is made for this system`;
}

/** Returns whether a file is a program for another system or another processor. False if it can't be read, and for scripts. */
function isForeign(file: string): boolean {
  const header = readHeader(file);
  const magic = header.toString('latin1', 0, 4);
  const isElf = magic === '\x7fELF';
  const isMacOS = /^(?:[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe)/.test(magic);
  if (process.platform === 'darwin') return isElf || magic.startsWith('MZ');
  if (!isElf) return isMacOS || magic.startsWith('MZ');
  const known = ELF_MACHINES[process.arch];
  // The sixth byte says which end of a number comes first.
  const machine = header[5] === 2 ? header.readUInt16BE(18) : header.readUInt16LE(18);
  return known !== undefined && !known.includes(machine);
}

function readHeader(file: string): Buffer {
  const header = Buffer.alloc(20);
  try {
    const descriptor = openSync(file, 'r');
    try {
      readSync(descriptor, header);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    // A program may be executable and not readable.
  }
  return header;
}
