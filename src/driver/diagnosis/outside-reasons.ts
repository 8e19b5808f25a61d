/** The rows of the reason `ended-from-outside`, for sessions of this program's own driver. */
import { describeEnd, findVictim, signalOf } from './ends.ts';
import type { Facts } from './facts.ts';
import type { Row } from './row.ts';

const FIND_PROGRAM =
  'Find the program or the user that ends browsers on this machine, such as a cleanup script, `pkill chrome`, or a second run that quits all sessions';

/** True if the kernel counts its kills for lack of memory, and counted none. */
const isMemoryExcluded = ({ memory: { oomKills, machineOomKills } }: Facts) => (oomKills ?? machineOomKills) === 0;

function describeKill(facts: Facts): string | undefined {
  const victim = findVictim(facts);
  if (victim?.end === undefined) return undefined;
  const excluded = isMemoryExcluded(facts) ? ', and the kernel did not kill it for lack of memory' : '';
  // Chromium ends its own tabs as well, such as one that hangs.
  if (victim.name === 'tab')
    return `the tab was ended ${describeEnd(victim.end)}, by a program, a user or the browser${excluded}`;
  return `another program or a user ended the ${victim.name} ${describeEnd(victim.end)}${excluded}`;
}

const signalFromOutside = (facts: Facts) => signalOf(findVictim(facts)?.end);

/** A stopped process answers nothing until it is continued. */
export const STOPPED_ROW: Row = {
  reason: 'ended-from-outside',
  confidence: 'certain',
  when: ({ report, browser, driver }) =>
    report.cause === 'frozen' && (browser?.kind === 'stopped' || driver?.kind === 'stopped'),
  evidence: ({ browser }) => [
    `the ${browser?.kind === 'stopped' ? 'browser' : 'driver'} process was stopped (SIGSTOP) and did not continue`,
  ],
  advice: () => 'Find the program, the user or the debugger that stops processes on this machine (kill -STOP, Ctrl+Z)',
};

export const OUTSIDE_ROWS: readonly Row[] = [
  {
    reason: 'ended-from-outside',
    confidence: 'certain',
    when: ({ report }) => report.cause === 'session-removed' && /quit by another client/.test(report.message),
    evidence: () => ['another client of the driver quit the session; this program did not'],
    advice: () => FIND_PROGRAM,
  },
  {
    reason: 'ended-from-outside',
    confidence: 'likely',
    when: ({ report }) => report.cause === 'session-removed',
    evidence: () => ['the driver removed the session, and this program did not ask for it'],
    advice: () => FIND_PROGRAM,
  },
  {
    // Chromium kills its own tabs as well, and lack of memory is excluded only where the kernel counts its kills.
    reason: 'ended-from-outside',
    confidence: 'certain',
    when: (facts) => {
      const signal = signalFromOutside(facts);
      const isSure = signal === 'SIGKILL' ? isMemoryExcluded(facts) : signal !== undefined;
      return isSure && facts.report.cause !== 'tab-crashed';
    },
    evidence: (facts) => [describeKill(facts)],
    advice: () => FIND_PROGRAM,
  },
  {
    reason: 'ended-from-outside',
    confidence: 'likely',
    when: (facts) => signalFromOutside(facts) !== undefined,
    evidence: (facts) => [describeKill(facts)],
    advice: () => FIND_PROGRAM,
  },
  {
    // At SIGTERM, SIGINT, SIGHUP and Browser.close, Chromium closes its sockets first, and then ends with code 0 (measured).
    reason: 'ended-from-outside',
    confidence: 'likely',
    when: (facts) => {
      const victim = findVictim(facts);
      if (victim?.name === 'tab') return false;
      return (
        (victim?.end?.kind === 'code' && victim.end.code === 0) ||
        (victim?.name === 'browser' && victim.end?.kind === 'running')
      );
    },
    evidence: (facts) => [
      `the ${findVictim(facts)?.name} was asked to end, for example by SIGTERM, SIGINT or SIGHUP: it ended in an orderly way`,
    ],
    advice: () => FIND_PROGRAM,
  },
];
