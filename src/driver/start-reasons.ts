/** The reasons on this machine that prevent a browser or its driver from starting, recognised by the programs' output. */
import { closeSync, existsSync, openSync, readlinkSync, readSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

interface Reason {
  /** Output of Chromium, its driver, the library loader, or the operating system. */
  readonly pattern: RegExp;
  /** Returns a sentence without its full stop: the reason and the solution. */
  readonly explanation: (match: RegExpExecArray) => string;
}

/** The first match wins. Each was provoked on Chromium 156 on Linux, except the texts of macOS. */
const REASONS: readonly Reason[] = [
  {
    pattern: /No usable sandbox/,
    explanation: () =>
      'Chromium found no usable sandbox: this user may not create user namespaces, as in most containers. Allow them, or set ' +
      'BROWSER_ARGUMENTS=--no-sandbox if all visited pages are trusted',
  },
  {
    pattern: /Missing X server or \$DISPLAY|Cannot open (X )?display/i,
    explanation: () =>
      'there is no display for the browser window. Leave out --headed (HEADLESS=false), or set DISPLAY, or use xvfb-run',
  },
  {
    pattern: /Failed to create (\S+)\/SingletonLock|user data directory is already in use/,
    explanation: ([, folder]) => describeUsedProfile(folder),
  },
  {
    pattern: /Too many open files|EMFILE/,
    explanation: () =>
      'the limit of open files is too low. Raise it with `ulimit -n 4096`; a browser needs several hundred',
  },
  {
    // Chromium puts its shared memory there if the system gives it no memfd. A full /dev/shm does not mean that the disk is full.
    pattern: /Creating shared memory in \S+ failed: ([^\n(]+)/,
    explanation: ([, why]) =>
      `the shared memory in /dev/shm can't be used (${why?.trim()}). Set BROWSER_ARGUMENTS=--disable-dev-shm-usage, or give the container more ` +
      '(--shm-size=1g)',
  },
  {
    pattern: /FILE_ERROR_NO_SPACE|No space left on device|ENOSPC/,
    explanation: () => `the temporary folder ${tmpdir()} is full. Make room there, or set TMPDIR to another folder`,
  },
  {
    pattern: /failed to write prefs file/,
    explanation: () =>
      `the profile can't be written. Make room in the temporary folder ${tmpdir()}, or in USER_DATA_DIR if it is set, or choose another folder`,
  },
  {
    pattern: /error while loading shared libraries: ([^\s:]+): (?:cannot open shared object file|([^\n]+))/,
    explanation: ([, library, defect]) =>
      `the library ${library} ${defect === undefined ? 'is missing' : `can't be loaded (${defect.trim()})`}. Install the program with its ` +
      'dependencies',
  },
  {
    pattern: /undefined symbol: ([^\s,]+)|version `([^']+)' not found/,
    explanation: ([, symbol, version]) =>
      `a library of this system is incompatible: it lacks ${symbol ?? version}. Update the system, or install a version that is built for it`,
  },
  {
    pattern: /ENOENT[^\n]*mkdir '([^']+)\/[^'/]+'/,
    explanation: ([, folder]) => `the temporary folder ${folder} does not exist. Create it, or correct TMPDIR`,
  },
  {
    pattern: /(EACCES|EROFS)[^\n]*mkdir '([^']+)\/[^'/]+'/,
    explanation: ([, , folder]) => `the temporary folder ${folder} can't be written to. Set TMPDIR to another folder`,
  },
  {
    pattern: /Exec format error|ENOEXEC|Bad CPU type|system error -86/,
    explanation: () => 'the program is for another kind of machine. Install the right one',
  },
  {
    pattern: /failed to execvp:\s+(\S+)|spawn (\S+) ENOENT/,
    explanation: ([, browser, driver]) => describeUnrunnable(browser ?? driver ?? ''),
  },
];

/** The minimum of free shared memory. With less, Chromium 156 was seen to end silently during its start if the system gives it no memfd. */
const MIN_SHARED_MEMORY_BYTES = 8 * 2 ** 20;

/** The machine codes in ELF headers (`e_machine`) of the programs that run on each architecture of Node. */
const ELF_MACHINES: Partial<Record<NodeJS.Architecture, readonly number[]>> = {
  x64: [62, 3],
  ia32: [3],
  arm64: [183, 40],
  arm: [40],
};

/**
 * Returns why one of `programs` did not start: a sentence with the solution, without its full stop. Undefined if neither their `output` nor
 * their files show the reason.
 */
export function findStartReason(output: string, programs: readonly string[]): string | undefined {
  for (const { pattern, explanation } of REASONS) {
    const match = pattern.exec(output);
    if (match !== null) return explanation(match);
  }
  // A program that the system can't run is passed to a shell, whose message is useless.
  const foreign = programs.find(isForeign);
  if (foreign === undefined) return undefined;
  return `the program ${foreign} is for another kind of machine than this one (${process.platform} ${process.arch}). Install the right one`;
}

/** Returns a sentence about too little shared memory as a possible reason; undefined if there is enough. */
export function describeSmallSharedMemory(): string | undefined {
  const freeBytes = freeSharedMemory();
  if (freeBytes > MIN_SHARED_MEMORY_BYTES) return undefined;
  const free = freeBytes < 2 ** 20 ? `${Math.floor(freeBytes / 2 ** 10)} KB` : `${Math.floor(freeBytes / 2 ** 20)} MB`;
  return (
    `A possible reason: the shared memory is too small (${free} free in /dev/shm). Set BROWSER_ARGUMENTS=--disable-dev-shm-usage, ` +
    'or give the container more (--shm-size=1g).'
  );
}

function freeSharedMemory(): number {
  try {
    const { bsize, bavail } = statfsSync('/dev/shm');
    return bsize * bavail;
  } catch {
    // A system without this folder, such as macOS, uses another mechanism.
    return Infinity;
  }
}

/** Describes a profile in use. Chromium creates a link in it, with the user of the profile as its target (`host-pid`). */
function describeUsedProfile(folder: string | undefined): string {
  const what = `the profile ${folder ?? 'folder'} is in use`;
  const advice = 'One session at a time can use a profile: end the other one, or set another USER_DATA_DIR';
  try {
    const holder = folder === undefined ? undefined : readlinkSync(path.join(folder, 'SingletonLock'));
    const [, host, pid] = /^(.*)-(\d+)$/.exec(holder ?? '') ?? [];
    return `${what}${pid === undefined ? '' : ` by process ${pid} on ${host}`}. ${advice}`;
  } catch {
    return `${what}. ${advice}`;
  }
}

/**
 * Describes a program that can't be run. The system reports the same error if the file is missing and if the interpreter or loader that it
 * names is missing.
 */
function describeUnrunnable(program: string): string {
  if (!existsSync(program))
    return `the program ${program} does not exist any more. Install it again, or correct its path`;
  return `the program ${program} needs an interpreter or a loader that this system does not have. Install one that is built for this system`;
}

/** Returns whether a file is a program for another system or another processor; false for scripts and if it can't be read. */
function isForeign(file: string): boolean {
  const header = readHeader(file);
  const magic = header.toString('latin1', 0, 4);
  const isElf = magic === '\x7fELF';
  const isMacOS = /^(?:[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe)/.test(magic);
  if (process.platform === 'darwin') return isElf || magic.startsWith('MZ');
  if (!isElf) return isMacOS || magic.startsWith('MZ');
  const known = ELF_MACHINES[process.arch];
  // The sixth byte is the byte order.
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
    // A program may be executable but not readable.
  }
  return header;
}
