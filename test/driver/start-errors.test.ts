import { expect } from 'chai';
import { CommandTimeoutError, SessionStartError } from '../../src/driver/death.ts';
import { toStartError } from '../../src/driver/start-errors.ts';

const OWN = { driverPath: '/opt/chromedriver', browserPath: '/opt/chrome' };
const ENDPOINT = { endpointUrl: 'https://ann:hunter2@grid.test/wd/hub' };

/** A failure of Node's sockets, as the HTTP client reports it. */
const broken = (code: string, message = '') => Object.assign(new Error(message), { code });

/** The failure and all the parts that its message must contain. */
const TABLE: readonly [what: string, thrown: unknown, target: typeof OWN | typeof ENDPOINT, parts: RegExp[]][] = [
  [
    'incompatible versions of driver and browser',
    new Error(
      'session not created: This version of ChromeDriver only supports Chrome version 114\nCurrent browser version is 156.0.1 with binary path /opt/chrome',
    ),
    OWN,
    [/\/opt\/chromedriver.*is for Chrome 114/, /browser is 156\.0\.1/, /CHROMEDRIVER and CHROME_BINARY/],
  ],
  [
    'incompatible versions at an endpoint',
    new Error('This version of ChromeDriver only supports Chrome version 114\nCurrent browser version is 156.0.1'),
    ENDPOINT,
    [/grid\.test.*is for Chrome 114/],
  ],
  [
    'no browser at the path of the setting',
    new Error('session not created: no chrome binary at /opt/chrome'),
    OWN,
    [/no browser at \/opt\/chrome/, /CHROME_BINARY/],
  ],
  [
    'no browser, with the message of an older driver',
    new Error('unknown error: cannot find Chrome binary'),
    OWN,
    [/no browser at \/opt\/chrome/],
  ],
  [
    'no browser at an endpoint',
    new Error('unknown error: cannot find Chrome binary'),
    ENDPOINT,
    [/grid\.test.*no browser/],
  ],
  [
    'a browser that ends at once',
    new Error("session not created: Chrome failed to start: exited normally.\n(DevToolsActivePort file doesn't exist)"),
    OWN,
    [/\/opt\/chrome ended as soon as/, /exited normally/, /--headless=new/],
  ],
  [
    'a browser that ends at once, with the message of a newer driver',
    new Error('session not created: Chrome instance exited. Examine ChromeDriver verbose log to determine the cause.'),
    OWN,
    [/ended as soon as/],
  ],
  [
    'a refused connection',
    broken('ECONNREFUSED', 'connect ECONNREFUSED 10.0.0.1:4444'),
    ENDPOINT,
    [/grid\.test\/wd\/hub/, /ECONNREFUSED/, /GRID_URL/],
  ],
  [
    "a refused connection to several addresses, for which Node's error has no message",
    broken('ECONNREFUSED'),
    ENDPOINT,
    [/ECONNREFUSED/, /--grid/],
  ],
  ['an unknown host', broken('ENOTFOUND', 'getaddrinfo ENOTFOUND grid.test'), ENDPOINT, [/ENOTFOUND/, /grid\.test/]],
  ['an unreachable network', broken('ENETUNREACH'), ENDPOINT, [/ENETUNREACH/]],
  [
    'a local driver that ended while it started the browser',
    broken('ECONNRESET', 'socket hang up'),
    OWN,
    [/\/opt\/chromedriver/, /ECONNRESET/, /doctor/],
  ],
  [
    'a web server that is not a WebDriver endpoint',
    new Error('<html><body>404 Not Found</body></html>'),
    ENDPOINT,
    [/grid\.test/, /404 Not Found/],
  ],
  [
    'a Grid without such a browser',
    new Error('Could not start a new session. No nodes support the capabilities'),
    ENDPOINT,
    [/grid\.test/, /No nodes support/],
  ],
  [
    'a start that took too long',
    new CommandTimeoutError('POST /session', { deadlineMs: 300_000, url: null }),
    ENDPOINT,
    [/grid\.test/, /300 s/],
  ],
  ['an error without a message', new Error(''), OWN, [/\/opt\/chromedriver/]],
  ['a thrown value that is not an Error', 'a text', OWN, [/a text/]],
];

describe('toStartError', () => {
  for (const [what, thrown, target, parts] of TABLE) {
    it(`contains the solution for ${what}`, () => {
      const error = toStartError(thrown, target);
      expect(error).to.be.instanceOf(SessionStartError);
      for (const part of parts) expect(error.message).to.match(part);
      expect(error.message).not.to.match(/undefined|hunter2|\n/);
      if (thrown instanceof Error) expect(error.cause).to.equal(thrown);
    });
  }

  it('returns an existing start error unchanged', () => {
    const error = new SessionStartError('The driver did not start.');
    expect(toStartError(error, OWN)).to.equal(error);
  });

  it("hides secrets in the remote end's message", () => {
    const error = toStartError(new Error('cannot reach https://ann:hunter2@node.test/'), ENDPOINT);
    expect(error.message).to.contain('node.test').and.not.to.contain('hunter2');
  });

  for (const [what, words, parts] of [
    [
      'no usable sandbox',
      'zygote_host_impl_linux.cc:130] No usable sandbox! If this is',
      [/user namespaces/, /--no-sandbox/],
    ],
    ['no display', 'ozone_platform_x11.cc:257] Missing X server or $DISPLAY', [/no display/, /--headed/, /xvfb-run/]],
    ['too few descriptors', 'GLib: Creating pipes for GWakeup: Too many open files', [/ulimit -n/]],
    ['a full disk', 'IO error: MANIFEST-000001: FILE_ERROR_NO_SPACE', [/temporary folder .* is full/, /TMPDIR/]],
    [
      'full shared memory, which is no full disk',
      'Creating shared memory in /dev/shm/.org.chromium.X failed: No space left on device (28)',
      [/shared memory in \/dev\/shm can't be used \(No space left on device\)/, /--disable-dev-shm-usage/],
    ],
    [
      'a missing library',
      'error while loading shared libraries: libnss3.so: cannot open shared object file: No such file or directory',
      [/libnss3\.so is missing/],
    ],
    [
      'a library that is too old',
      "/opt/chrome: /lib/libc.so.6: version `GLIBC_2.38' not found (required by /opt/chrome)",
      [/lacks GLIBC_2\.38/],
    ],
    [
      'a program that was removed',
      'LaunchProcess: failed to execvp:\n/no/chrome',
      [/\/no\/chrome does not exist any more/],
    ],
    ['another architecture', 'chrome: cannot execute: Exec format error', [/another kind of machine/]],
    [
      'a profile in use',
      'Failed to create /no/profile/SingletonLock: File exists (17)',
      [/\/no\/profile is in use/, /USER_DATA_DIR/],
    ],
  ] as const) {
    it(`recognises the reason in Chromium's output: ${what}`, () => {
      const thrown = new Error('session not created: Chrome instance exited. Examine ChromeDriver verbose log.');
      const { message } = toStartError(thrown, { ...OWN, output: words });
      for (const part of parts) expect(message).to.match(part);
    });
  }

  it("quotes Chromium's last errors if they are unknown, without those of D-Bus", () => {
    const words =
      '[1:1:1130/0:ERROR:dbus/bus.cc:405] Failed to connect to the bus: x\n[1:1:1130/0:ERROR:a/b.cc:1] The moon is full';
    const { message } = toStartError(new Error('session not created: Chrome instance exited.'), {
      ...OWN,
      output: words,
    });
    expect(message).to.contain('Its output: The moon is full.').and.not.contain('Failed to connect');
  });

  it('quotes the last line of a program other than Chromium', () => {
    const words = 'ChromeDriver was started successfully on port 4.\nloading\n/opt/chrome: 3: jq: not found\n';
    const { message } = toStartError(new Error('session not created: Chrome instance exited.'), {
      ...OWN,
      output: words,
    });
    expect(message).to.contain('Its output: /opt/chrome: 3: jq: not found.').and.not.contain('loading');
  });

  it('reports that the browser ended while its session began', () => {
    const text = 'invalid session id: session deleted as the browser has closed the connection\nfrom disconnected: x';
    const error = toStartError(new Error(text), OWN);
    expect(error.message).to.match(/\/opt\/chrome ended as soon as .*browser has closed the connection/);
    expect(error.isInterrupted).to.equal(true);
  });

  it("quotes chromedriver's second line if the first has no reason", () => {
    const text = 'session not created\nfrom unknown error: the moon is full';
    expect(toStartError(new Error(text), OWN).message).to.contain('the moon is full');
  });

  it('names the reason of a start that took too long if the browser printed it', () => {
    const thrown = new CommandTimeoutError('POST /session', { deadlineMs: 45_000, url: null });
    const words = 'IO error: MANIFEST-000001: FILE_ERROR_NO_SPACE';
    expect(toStartError(thrown, { ...OWN, output: words }).message).to.match(/temporary folder .* is full/);
  });

  it('reports that no session was ready in time, and does not claim that one is alive', () => {
    const thrown = new CommandTimeoutError('POST /session', { deadlineMs: 45_000, url: null });
    expect(toStartError(thrown, OWN).message)
      .to.match(/no session ready within 45 s/)
      .and.not.match(/lives on|COMMAND_TIMEOUT/);
  });

  for (const [what, text, advice] of [
    ['a web site', 'newSession: <!doctype html><title>404</title>', /not a WebDriver endpoint.*GRID_URL/],
    ['a wrong path', 'unknown command: unknown command: wd/hub/session', /path of GRID_URL/],
  ] as const) {
    it(`explains a wrong address of the endpoint: ${what}`, () => {
      const { message } = toStartError(new Error(text), { endpointUrl: 'http://grid.test/wd/hub' });
      expect(message).to.contain('http://grid.test/wd/hub').and.to.match(advice);
    });
  }
});
