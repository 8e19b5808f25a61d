import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

/** A machine without geckodriver, whose PATH has only `nice` and the programs that a test writes. Its apt-get must not be called. */
class BareMachine implements Disposable {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'bare-'));

  readonly #temporary = path.join(this.#folder, 'temporary');

  constructor() {
    mkdirSync(this.#temporary);
    symlinkSync('/usr/bin/nice', path.join(this.#folder, 'nice'));
    this.write('apt-get', 'echo "apt-get was called" >&2; exit 1');
  }

  write(program: string, script: string): void {
    writeFileSync(path.join(this.#folder, program), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }

  setUp(env: NodeJS.ProcessEnv = {}) {
    const { status, stderr } = spawnSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', 'scripts/setup-firefox.ts'],
      {
        encoding: 'utf8',
        env: {
          PATH: this.#folder,
          XDG_CACHE_HOME: this.#folder,
          CARGO_HOME: this.#folder,
          HOME: this.#folder,
          TMPDIR: this.#temporary,
          ...env,
        },
      },
    );
    return { status, stderr };
  }

  temporaryFiles(): string[] {
    return readdirSync(this.#temporary);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}

const BUILDING = 'Building geckodriver by cargo; this takes a few minutes.\n';
const ADVICE = 'Install Firefox and geckodriver, or set FIREFOX_BINARY and GECKODRIVER to your own.\n';

describe('setup: Firefox', () => {
  it('shows why cargo could not build geckodriver, and installs no Firefox without it', () => {
    using machine = new BareMachine();
    // Only the first error has the reason. The ones after it name the packages that could not be built because of it.
    machine.write(
      'cargo',
      '[ "$1" = --version ] && exit; { echo "   Compiling"; for line in "error: linker cc not found" 1 2 3 4 5 6; do echo "$line"; done; } >&2; : >"$7/object"; exit 101',
    );
    expect(machine.setUp()).to.deep.equal({
      status: 2,
      stderr: `${BUILDING}cargo install geckodriver: error: linker cc not found\n  1\n  2\n  3\n  4\n${ADVICE}`,
    });
    expect(machine.temporaryFiles()).to.deep.equal([]);
  });

  it('names cargo if there is none', () => {
    using machine = new BareMachine();
    expect(machine.setUp()).to.deep.equal({
      status: 2,
      stderr: `${BUILDING}cargo, which builds geckodriver, was not found or does not start. Install Rust: https://rustup.rs\n${ADVICE}`,
    });
  });

  it('names a setting whose file does not exist', () => {
    using machine = new BareMachine();
    expect(machine.setUp({ GECKODRIVER: '/nowhere/geckodriver' })).to.deep.equal({
      status: 2,
      stderr:
        'GECKODRIVER=/nowhere/geckodriver: the file does not exist. Correct GECKODRIVER, or unset it to search for one.\n',
    });
  });
});
