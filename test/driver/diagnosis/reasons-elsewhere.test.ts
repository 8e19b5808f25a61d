import { crashedTab, died, ended, FULL, itFinds, type Case } from './support/check-reasons.ts';

const grid = (message: string) => ({ ...died('session-removed', message), isOwn: false });
const frozen = died('frozen', 'the browser did not answer within 3 s');

const OUTSIDE: readonly Case[] = [
  ...(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const).map((signal): Case => ({
    what: `a browser that was ended by ${signal}`,
    facts: { browser: ended(signal) },
    is: 'ended-from-outside certain',
    evidence: new RegExp(signal),
  })),
  {
    what: 'a browser that was killed on a system that counts no kills of the kernel',
    facts: { browser: ended('SIGKILL'), memory: { oomKills: undefined, machineOomKills: undefined } },
    is: 'ended-from-outside likely',
  },
  {
    what: 'a browser that was killed while the kernel killed a process of another cgroup',
    facts: { browser: ended('SIGKILL'), memory: { oomKills: 0, machineOomKills: 1 } },
    is: 'ended-from-outside certain',
  },
  { what: 'a tab that was killed', facts: crashedTab('killed', 9), is: 'ended-from-outside likely' },
  {
    what: 'a browser that was killed on a machine with a full disk and old messages about it',
    facts: {
      browser: ended('SIGKILL'),
      temporaryFolder: FULL,
      output: 'No space left on device\nToo many open files\n',
    },
    is: 'ended-from-outside certain',
  },
  {
    what: 'a browser that ended with code 0',
    facts: { browser: { kind: 'code', code: 0 } },
    is: 'ended-from-outside likely',
  },
  { what: 'a browser that is about to end', facts: { browser: { kind: 'running' } }, is: 'ended-from-outside likely' },
  {
    what: 'a driver that was killed',
    facts: died('driver-gone', 'the driver was ended by SIGKILL'),
    is: 'ended-from-outside certain',
    evidence: /^another program or a user ended the driver by SIGKILL/,
  },
  {
    what: 'a driver that was asked to shut down',
    facts: died('driver-gone', 'the driver exited with code 0'),
    is: 'ended-from-outside likely',
  },
  {
    what: 'a session that another client quit',
    facts: died('session-removed', 'the session was quit by another client of the driver'),
    is: 'ended-from-outside certain',
  },
  {
    what: 'a session that the driver removed',
    facts: died('session-removed', 'invalid session id'),
    is: 'ended-from-outside likely',
  },
  {
    what: 'a session that the driver removed, of a browser that it killed',
    facts: {
      ...died('session-removed', 'the session was quit by another client of the driver'),
      browser: ended('SIGKILL'),
    },
    is: 'ended-from-outside certain',
  },
  {
    what: 'a session that the driver removed, of a browser that crashed',
    facts: { ...died('session-removed', 'invalid session id'), browser: ended('SIGSEGV') },
    is: 'crashed certain',
  },
  {
    what: 'a browser that was stopped',
    facts: { ...frozen, browser: { kind: 'stopped' } },
    is: 'ended-from-outside certain',
    evidence: /^the browser process was stopped \(SIGSTOP\)/,
  },
  {
    what: 'a driver that was stopped',
    facts: { ...frozen, driver: { kind: 'stopped' } },
    is: 'ended-from-outside certain',
  },
  {
    what: 'a session of a Grid that another client quit',
    facts: grid('Unable to find session with ID: 1, reason: session closed normally (QUIT command)'),
    is: 'ended-from-outside certain',
  },
];

const OTHERS: readonly Case[] = [
  {
    what: 'a browser that froze after the machine slept',
    facts: { ...frozen, sleptMs: 720_000 },
    is: 'machine-slept likely',
    evidence: /slept for 12 min/,
    advice: /systemd-inhibit/,
  },
  {
    what: 'an endpoint that was lost after the machine slept',
    facts: { ...died('network-lost'), sleptMs: 60_000 },
    is: 'machine-slept likely',
  },
  {
    what: 'a session that was idle for too long because the machine slept',
    facts: { ...grid('session timed out due to inactivity'), sleptMs: 600_000 },
    is: 'machine-slept likely',
  },
  {
    what: 'a browser that froze on a machine without free processors',
    facts: { ...frozen, load: { cpu: 88.4, perProcessor: 6.2 } },
    is: 'overloaded likely',
    evidence: /^processes waited for a processor in 88 % of the last 10 s \(load average 6\.2 per processor\)$/,
    advice: /MAX_SESSIONS/,
  },
  {
    what: 'a browser that froze under a high load of a system without pressure figures',
    facts: { ...frozen, load: { cpu: undefined, perProcessor: 7 } },
    is: 'overloaded likely',
  },
  {
    what: 'a browser that froze while memory was short',
    facts: { ...frozen, load: { memory: 41 } },
    is: 'overloaded likely',
    evidence: /memory in 41 %/,
  },
  {
    what: 'a browser that froze while the disk was busy',
    facts: { ...frozen, load: { io: 77 } },
    is: 'overloaded likely',
    evidence: /disks in 77 %/,
  },
  {
    what: 'a session at an endpoint that froze while this program was busy',
    facts: { ...frozen, isOwn: false, load: { ownEventLoop: 0.99 } },
    is: 'overloaded likely',
    evidence: /this program itself was busy in 99 %/,
    advice: /HEARTBEAT_TIMEOUT_SECONDS/,
  },
  {
    what: 'a session of a Grid that was idle for too long',
    facts: grid(
      'Unable to find session with ID: 1. Session was removed at 10:00, reason: session timed out due to inactivity',
    ),
    is: 'grid certain',
    advice: /--session-timeout/,
  },
  {
    what: 'a session of the Selenium 3 hub that was idle',
    facts: grid('was terminated due to BROWSER_TIMEOUT'),
    is: 'grid certain',
  },
  {
    what: 'a Grid that lost a node',
    facts: grid('Unable to find session with ID: 1, reason: node was removed from the grid'),
    is: 'grid certain',
  },
  {
    what: "a Grid that can't reach a node",
    facts: { ...died('driver-gone', 'Connection error (POST http://localhost:5551/…)'), isOwn: false },
    is: 'grid certain',
  },
  {
    what: 'a Grid that has the session no longer',
    facts: grid('Unable to find session with ID: 1'),
    is: 'grid likely',
  },
  {
    what: 'the third death at a page',
    facts: { deathsAtPage: 2 },
    is: 'page likely',
    evidence: /^3 sessions died at the page http:\/\/shop\/1/,
  },
  { what: 'the second death at a page', facts: { deathsAtPage: 1 }, is: 'unknown none' },
  { what: 'a browser that is gone without a trace', facts: {}, is: 'unknown none' },
  { what: 'a browser that is gone at another endpoint', facts: { isOwn: false }, is: 'unknown none' },
  { what: 'a browser that froze on an idle machine', facts: frozen, is: 'unknown none' },
  {
    what: 'a browser elsewhere that froze while this machine was busy',
    facts: { ...frozen, isOwn: false, load: { cpu: 99, perProcessor: 9 } },
    is: 'unknown none',
  },
  {
    what: 'a lost network on a busy machine',
    facts: { ...died('network-lost'), load: { cpu: 99 } },
    is: 'unknown none',
  },
  {
    what: 'a lost lease, on a machine that slept',
    facts: { ...died('lease-lost'), sleptMs: 99_000 },
    is: 'unknown none',
  },
  {
    what: 'a session without progress, at a page with deaths',
    facts: { ...died('timed_out'), deathsAtPage: 5 },
    is: 'unknown none',
  },
  { what: 'a short sleep', facts: { ...frozen, sleptMs: 900 }, is: 'unknown none' },
];

describe('The reason of a death outside of the browser', () => itFinds([...OUTSIDE, ...OTHERS]));
