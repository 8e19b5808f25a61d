import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect } from 'chai';

import { CLI, cleanEnvironment, ROOT } from '../cli/cli.ts';
import { itInNamespaces, OWN_MOUNTS, FORBID_NAMESPACES, OWN_USER } from '../support/namespaces.ts';
import { withoutMemfd } from '../support/without-memfd.ts';
import { localBrowser } from './support/local-browser.ts';

const [FLAG = ''] = CLI;
const START = fileURLToPath(new URL('support/start-program.ts', import.meta.url));
const DOCTOR = [...CLI, 'doctor'];

/** A condition: a shell line that creates it and continues with `"$@"`, and the expected text of both the failed start and `doctor`. */
interface Condition {
  readonly line?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly namespaces?: readonly string[];
  readonly says: RegExp;
  /** The row of `doctor`. Default `start`. */
  readonly row?: string;
}

/** Returns the header of a program for another processor, with the size of the smallest program. */
function makeForeignProgram(): Buffer {
  const header = Buffer.alloc(120);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(process.arch === 'arm64' ? 62 : 183, 18);
  return header;
}

describe("A browser that can't be started, and doctor under the same conditions", () => {
  let folder = '';
  /** The browser's own program. The script that distributions put before it works around small shared memory. */
  let program = '';
  /** A library of the browser only, and one of both the browser and its driver. */
  let [library, sharedLibrary] = ['', ''];

  const write = (name: string, content: string | Buffer): string => {
    const file = path.join(folder, name);
    writeFileSync(file, content, { mode: 0o755 });
    return file;
  };

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'start-'));
    const { browserPath } = await localBrowser();
    program = ['/usr/lib/chromium/chromium', '/opt/google/chrome/chrome'].find(existsSync) ?? browserPath;
    const libraries = execFileSync('ldd', [program], { encoding: 'utf8' });
    const find = (name: string) => new RegExp(`${name} => (\\S+)`).exec(libraries)?.[1] ?? '';
    [library, sharedLibrary] = [find('libcups.so.2'), find('libnspr4.so')];
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  const say = async (
    args: readonly string[],
    { line = '', environment = {}, namespaces = [] }: Omit<Condition, 'says'>,
  ) => {
    const shell = ['/bin/sh', '-c', `set -e; ${line}\nexec "$@"`, 'sh', process.execPath, ...args];
    const [file = '', ...rest] = namespaces.length === 0 ? shell : ['unshare', ...namespaces, ...shell];
    const env = cleanEnvironment({ F: folder, BROWSER_ENVIRONMENT: 'LD_LIBRARY_PATH', ...environment });
    const { stdout } = await promisify(execFile)(file, rest, { cwd: ROOT, env }).catch(
      (thrown: { stdout: string }) => thrown,
    );
    return stdout.replaceAll(/\s+/g, ' ');
  };

  const checkStart = async (condition: Condition) => {
    expect(await say([FLAG, START], condition)).to.match(condition.says);
  };

  const checkDoctor = async (condition: Condition) => {
    const said = await say(DOCTOR, condition);
    const row = new RegExp(`problem +${condition.row ?? 'start'} (.*?)(?= (?:ok|problem|warning) |$)`).exec(said);
    expect(row?.[1], said).to.match(condition.says);
  };

  const check = async (condition: Condition) =>
    void (await Promise.all([checkStart(condition), checkDoctor(condition)]));

  /**
   * Checks all conditions concurrently, because most of the time is waiting. `doctor` uses the same reasons as a start, so the first
   * condition of a kind is enough for it.
   */
  const checkAll = async ([first, ...others]: readonly [Condition, ...Condition[]]) =>
    void (await Promise.all([check(first), ...others.map(checkStart)]));

  itInNamespaces(OWN_MOUNTS)('names the shared memory if it is too small, full, or read-only', async () => {
    const environment = { CHROME_BINARY: write('without-memfd', withoutMemfd(program)) };
    const withMount = (options: string, says: RegExp): Condition => {
      return { line: `mount -t tmpfs -o ${options} none /dev/shm`, namespaces: OWN_MOUNTS, environment, says };
    };
    await checkAll([
      withMount('size=64k', /possible reason: the shared memory is too small \(64 KB free in \/dev\/shm\)/),
      withMount('nr_inodes=1', /shared memory in \/dev\/shm can't be used \(No space left on device\)/),
      withMount('ro', /shared memory in \/dev\/shm can't be used \(Read-only file system\)/),
    ]);
  });

  itInNamespaces(OWN_MOUNTS)('names a missing library', () =>
    check({
      line:
        `L=${path.dirname(realpathSync(library))}; F=$(mktemp -d $F/mount-XXXXXX); mkdir $F/all $F/most; mount --bind $L $F/all; ` +
        'ln -s $F/all/* $F/most/; rm $F/most/libcups.so*; mount --bind $F/most $L',
      namespaces: OWN_MOUNTS,
      says: /the library libcups\.so\.2 is missing/,
      row: 'browser',
    }),
  );

  it('names an incompatible library', async () => {
    const withLibrary = (name: string, target: string, says: RegExp): Condition => {
      const libraries = mkdtempSync(path.join(folder, 'libraries-'));
      symlinkSync(target, path.join(libraries, name));
      return { environment: { LD_LIBRARY_PATH: libraries }, says, row: 'browser' };
    };
    const empty = write('empty', '');
    await checkAll([
      withLibrary('libcups.so.2', empty, /the library \S*libcups\.so\.2 can't be loaded \(file too short\)/),
      withLibrary('libnspr4.so', empty, /the library \S*libnspr4\.so can't be loaded \(file too short\)/),
      withLibrary('libcups.so.2', sharedLibrary, /a library of this system is incompatible: it lacks cups\w+/),
    ]);
  });

  for (const setting of ['CHROME_BINARY', 'CHROMEDRIVER'])
    it(`reports that the program of ${setting} can't run on this machine`, async () => {
      const withProgram = (file: string, says: RegExp): Condition => {
        return { environment: { [setting]: file }, says, row: 'browser' };
      };
      const foreign = write('foreign', makeForeignProgram());
      await checkAll([
        withProgram(foreign, /foreign is for another kind of machine than this one \(\w+ \w+\)/),
        withProgram(write('launcher', `#!/bin/sh\nexec ${foreign}\n`), /the program is for another kind of machine/),
        withProgram(
          write('script', '#!/no/such/interpreter\n'),
          /script needs an interpreter or a loader that this system does not have/,
        ),
      ]);
    });

  itInNamespaces(OWN_USER)('reports that there is no usable sandbox', () =>
    check({
      line: `${FORBID_NAMESPACES}; set -- setpriv --ambient-caps -all --inh-caps -all "$@"`,
      namespaces: OWN_USER,
      says: /no usable sandbox: this user may not create user namespaces.*BROWSER_ARGUMENTS=--no-sandbox/,
    }),
  );

  itInNamespaces(OWN_MOUNTS)('reports that the temporary folder is full or read-only', async () => {
    // A path that is too long for sockets is replaced by /tmp.
    const start = async (options: string) => {
      const line = `mount -t tmpfs -o ${options} none /tmp; export TMPDIR=/tmp`;
      return say([FLAG, START], { line, namespaces: OWN_MOUNTS });
    };
    expect(await start('size=4k')).to.match(/Make room in the temporary folder \/tmp/);
    expect(await start('ro')).to.match(/the temporary folder \S+ can't be written to/);
  });
});
