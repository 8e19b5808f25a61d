import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';

import { expect } from 'chai';
import { descendantsOf, killProcess } from 'webdriver-supervisor/testing';

import type { Diagnosis } from '../../../src/model/death.ts';
import type { BrowserSession } from '../../../src/driver/browser-session.ts';
import type { BrowserOptions } from '../../../src/driver/browser-options.ts';
import { withoutMemfd } from '../../support/without-memfd.ts';
import { localBrowser } from '../support/local-browser.ts';
import { writeProgram } from '../support/programs.ts';
import { makeRecorder, openSession } from '../support/sessions.ts';
import { makeCgroup, whyNoCgroup } from './support/cgroups.ts';

const MB = 2 ** 20;
/** The browser's own program. The script that distributions put before it works around small shared memory. */
const PROGRAM = ['/usr/lib/chromium/chromium', '/opt/google/chrome/chrome'].find(existsSync);
/** Shell lines that continue in a mount namespace of their own. */
const OWN_MOUNTS = '[ "$MOUNTS" ] || MOUNTS=own exec unshare --mount "$0" "$@"';
/** Shell lines that leave 16 MB in the folder F. The end of a tab frees some of them again. */
const MOUNT_NEARLY_FULL = 'mount -t tmpfs -o size=80m none "$F"; head -c 64M /dev/zero > "$F/filler"';

const whyNoMounts = () =>
  spawnSync('unshare', ['--mount', 'true']).status === 0 ? undefined : 'this user can make no mount namespace';
const whyNoProgram = () =>
  PROGRAM === undefined ? 'the program of the browser is not where it is expected' : undefined;

type Cgroup = ReturnType<typeof makeCgroup>;

interface Provocation {
  /** `reason confidence`, or the reason only if chance decides whether Chromium still writes why it ends. */
  readonly is: string;
  readonly how: string;
  /** The first phrase of the evidence. */
  readonly evidence: RegExp;
  /** Returns why this machine does not allow it. */
  readonly whyNot?: () => string | undefined;
  /** Shell lines that prepare the driver's process. */
  readonly shell?: string;
  /** The controller of a cgroup in which the session runs. */
  readonly controller?: string;
  readonly prepare?: (cgroup: Cgroup) => void;
  readonly hasNoMemfd?: boolean;
  readonly browser?: BrowserOptions;
  /** Brings the death about. A command that it leaves in flight may fail. */
  readonly provoke: (session: BrowserSession, cgroup: Cgroup) => unknown;
}

const kill = (signal: NodeJS.Signals) => (session: BrowserSession) => killProcess(session.browserPid ?? 0, signal);
const killDriver = (signal: NodeJS.Signals) => (session: BrowserSession) =>
  killProcess(session.driverProcess?.pid ?? 0, signal);
const stopAndProbe = (pid: number | undefined, session: BrowserSession) => {
  killProcess(pid ?? 0, 'SIGSTOP');
  return session.probe('heartbeat');
};
const run = (script: string) => (session: BrowserSession) => session.driver.executeAsyncScript(script);
const openTabs = async ({ driver }: BrowserSession) => {
  for (;;) await driver.switchTo().newWindow('tab');
};

/** A page whose memory grows without an end. */
const EAT_MEMORY = 'for (const all = []; ; ) all.push(new Uint8Array(8 << 20).fill(7))';
const EAT_HEAP = 'for (const all = []; ; ) all.push(new Array(1e6).fill(0.5))';
/** Workers without an end; each has a thread. */
const START_WORKERS =
  'const file = URL.createObjectURL(new Blob(["onmessage = close"])); setInterval(() => new Worker(file), 1)';
/** Pictures of 9 MB that the browser gets through shared memory. */
const DRAW = `for (let i = 0; i < 40; i++) {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1500, height: 1500 });
  canvas.getContext('2d').fillRect(0, 0, 9, 9);
  document.body.append(canvas);
}`;

const PROVOCATIONS: readonly Provocation[] = [
  {
    is: 'out-of-memory certain',
    how: 'a page that exceeds the memory limit of the container',
    evidence: /^the kernel killed the tab for lack of memory: 300 MB of 300 MB were used$/,
    controller: 'memory',
    prepare: ({ write }) => write(['memory.limit_in_bytes', 'memory.max'], 300 * MB),
    provoke: run(EAT_MEMORY),
  },
  {
    is: 'out-of-memory certain',
    how: 'a page that makes the kernel kill the browser',
    evidence: /^the kernel killed the browser for lack of memory: 300 MB of 300 MB were used$/,
    controller: 'memory',
    prepare: ({ write }) => write(['memory.limit_in_bytes', 'memory.max'], 300 * MB),
    provoke: (session) => {
      // The kernel prefers tabs otherwise.
      writeFileSync(`/proc/${session.browserPid}/oom_score_adj`, '1000');
      return run(EAT_MEMORY)(session);
    },
  },
  {
    is: 'out-of-memory certain',
    how: 'a page that uses its whole JavaScript heap',
    evidence: /^the JavaScript of the page used its whole heap of \d+ MB$/,
    browser: { arguments: ['--js-flags=--max-old-space-size=40'] },
    provoke: run(EAT_HEAP),
  },
  {
    is: 'shared-memory-full likely',
    how: 'pictures that do not fit into /dev/shm',
    evidence: /^\/dev\/shm has \d+ [KM]B free of 80 MB$/,
    whyNot: () => whyNoMounts() ?? whyNoProgram(),
    shell: `${OWN_MOUNTS}; F=/dev/shm; ${MOUNT_NEARLY_FULL}`,
    hasNoMemfd: true,
    provoke: ({ driver }) => driver.executeScript(DRAW),
  },
  {
    is: 'disk-full likely',
    how: 'pictures that do not fit into the temporary folder',
    evidence: /^\/\S+ has \d+ [KM]B free of 80 MB$/,
    whyNot: () => whyNoMounts() ?? whyNoProgram(),
    shell: `${OWN_MOUNTS}; F=$TMPDIR; ${MOUNT_NEARLY_FULL}`,
    hasNoMemfd: true,
    browser: { arguments: ['--disable-dev-shm-usage'] },
    provoke: ({ driver }) => driver.executeScript(DRAW),
  },
  {
    is: 'limit-reached',
    how: 'tabs that need more open files than allowed',
    evidence: /^the browser had \d+ files open at the last look; its limit is 256$/,
    shell: 'ulimit -n 256',
    provoke: openTabs,
  },
  {
    is: 'limit-reached',
    how: 'workers that need more threads than the container has',
    evidence: /^the limit of processes and threads is \d+; there were \d+, and \d+ more were refused$/,
    controller: 'pids',
    provoke: (session, { read, write }) => {
      write(['pids.max'], Number(read('pids.current')) + 10);
      return session.driver.executeScript(START_WORKERS);
    },
  },
  {
    is: 'crashed certain',
    how: 'chrome://crash',
    evidence: /^the tab crashed: it was ended by SIGSEGV$/,
    provoke: ({ driver }) => driver.get('chrome://crash'),
  },
  {
    is: 'crashed certain',
    how: 'SIGSEGV of the browser',
    evidence: /the browser .* SIGSEGV$/,
    provoke: kill('SIGSEGV'),
  },
  {
    is: 'crashed certain',
    how: 'SIGABRT of the browser',
    evidence: /the browser .* SIGABRT$/,
    provoke: kill('SIGABRT'),
  },
  {
    is: 'crashed certain',
    how: 'SIGSEGV of the driver',
    evidence: /the driver .* SIGSEGV$/,
    provoke: killDriver('SIGSEGV'),
  },
  {
    is: 'ended-from-outside certain',
    how: 'SIGKILL of the browser',
    evidence: /ended the browser by SIGKILL, and the kernel did not kill it for lack of memory$/,
    provoke: kill('SIGKILL'),
  },
  {
    // The driver answers the command, and removes the dead browser from the process table before.
    is: 'ended-from-outside certain',
    how: 'SIGKILL of the browser with a command in flight',
    evidence: /ended the browser by SIGKILL/,
    provoke: (session) => {
      const command = session.driver.executeAsyncScript('');
      kill('SIGKILL')(session);
      return command;
    },
  },
  {
    is: 'ended-from-outside certain',
    how: 'SIGKILL of the browser of a session with BiDi',
    evidence: /ended the browser by SIGKILL/,
    browser: { bidi: true },
    provoke: kill('SIGKILL'),
  },
  {
    is: 'ended-from-outside likely',
    how: 'SIGTERM of the browser',
    evidence: /orderly way$/,
    provoke: kill('SIGTERM'),
  },
  {
    is: 'ended-from-outside likely',
    how: 'SIGKILL of the tabs',
    evidence: /^the tab was ended by SIGKILL/,
    provoke: ({ driverProcess }) => {
      const renderers = descendantsOf(driverProcess?.pid ?? 0).filter(({ command }) =>
        command.includes('--type=renderer'),
      );
      for (const { pid } of renderers) killProcess(pid);
    },
  },
  {
    is: 'ended-from-outside certain',
    how: 'SIGKILL of the driver',
    evidence: /ended the driver by SIGKILL/,
    provoke: killDriver('SIGKILL'),
  },
  {
    is: 'ended-from-outside certain',
    how: 'SIGTERM of the driver',
    evidence: /ended the driver by SIGTERM/,
    provoke: killDriver('SIGTERM'),
  },
  {
    is: 'ended-from-outside certain',
    how: 'SIGSTOP of the browser',
    evidence: /^the browser process was stopped \(SIGSTOP\)/,
    provoke: (session) => stopAndProbe(session.browserPid, session),
  },
  {
    is: 'ended-from-outside certain',
    how: 'SIGSTOP of the driver',
    evidence: /^the driver process was stopped \(SIGSTOP\)/,
    provoke: (session) => stopAndProbe(session.driverProcess?.pid, session),
  },
  {
    is: 'ended-from-outside certain',
    how: "another client's quit",
    evidence: /^another client of the driver quit the session/,
    provoke: ({ endpointUrl, id }) => fetch(`${endpointUrl}/session/${id}`, { method: 'DELETE' }),
  },
];

describe('The reason of a death that a real browser dies', function () {
  this.timeout(30_000);

  /** Opens a session that records the diagnosis of its death. */
  const open = async ({ shell = '', hasNoMemfd = false, browser = {} }: Partial<Provocation>) => {
    const target = await localBrowser();
    await using stack = new AsyncDisposableStack();
    const driver = stack.use(await writeProgram(`#!/bin/sh\nset -e\n${shell}\nexec ${target.driverPath} "$@"\n`));
    const program = hasNoMemfd ? stack.use(await writeProgram(withoutMemfd(PROGRAM ?? ''))) : undefined;
    const recorder = makeRecorder();
    const { onDeath } = recorder.listener;
    const diagnosed = Promise.withResolvers<Diagnosis>();
    recorder.listener.onDeath = (report) => {
      diagnosed.resolve(opened.session.diagnose(report));
      onDeath(report);
    };
    const opened = stack.use(
      await openSession(
        { ...target, driverPath: driver.path, browserPath: program?.path ?? target.browserPath },
        { recorder, browser },
      ),
    );
    const kept = stack.move();
    return { ...opened, diagnosed: diagnosed.promise, [Symbol.asyncDispose]: () => kept.disposeAsync() };
  };

  for (const { is, how, evidence, whyNot, controller, prepare, provoke, ...rest } of PROVOCATIONS) {
    const missing = whyNot?.() ?? (controller === undefined ? undefined : whyNoCgroup(controller));
    const add = missing === undefined ? it : it.skip;
    add(
      `is ${is.replace(' ', ', ')}, after ${how}${missing === undefined ? '' : ` (skipped: ${missing})`}`,
      async () => {
        await using stack = new AsyncDisposableStack();
        const cgroup = controller === undefined ? undefined : stack.use(makeCgroup(controller));
        if (cgroup !== undefined) prepare?.(cgroup);
        const { session, diagnosed } = stack.use(await open({ ...rest, shell: cgroup?.enter ?? rest.shell ?? '' }));
        // Fails with the death, or with the halt after it.
        void Promise.resolve(provoke(session, cgroup as Cgroup)).catch(() => undefined);
        const diagnosis = await diagnosed;
        expect(`${diagnosis.reason} ${diagnosis.confidence}`, diagnosis.evidence.join('; ')).to.match(
          new RegExp(`^${is}`),
        );
        expect(diagnosis.evidence[0]).to.match(evidence);
        expect(diagnosis.advice).to.match(/\.$/);
      },
    );
  }

  it('is unknown if the driver belongs to another program, because its processes may be elsewhere', async () => {
    await using own = await open({});
    const recorder = makeRecorder();
    await using other = await openSession({ kind: 'endpoint', url: own.session.endpointUrl }, { recorder });
    killProcess(other.session.browserPid ?? 0);
    expect(other.session.diagnose(await other.died)).to.deep.equal({
      reason: 'unknown',
      confidence: 'none',
      evidence: [],
      advice: null,
    });
  });

  it('is not needed if the GPU process crashes, because the browser starts another one', async () => {
    await using opened = await open({});
    const gpu = () =>
      descendantsOf(opened.session.driverProcess?.pid ?? 0).find(({ command }) =>
        command.includes('--type=gpu-process'),
      );
    killProcess(gpu()?.pid ?? 0, 'SIGSEGV');
    await opened.driver.get('data:text/html,<title>alive</title>');
    expect(await opened.driver.getTitle()).to.equal('alive');
    expect(opened.deaths).to.deep.equal([]);
  });
});
