/** The rows of a machine that slept or is overloaded. They explain silence, and not the end of a process. */
import { describeDuration } from '../../core/describe-time.ts';
import type { Facts } from './facts.ts';
import type { Row } from './row.ts';

/** A shorter sleep ends no connection and is over before a heartbeat fails twice. */
const MIN_SLEEP_MS = 5_000;
const SILENT_CAUSES: ReadonlySet<string> = new Set(['frozen', 'network-lost']);

/** The limits of pressure in percent. A machine that is only busy stays below them. */
const MIN_PRESSURE = { cpu: 70, memory: 30, io: 60 } as const;
const MIN_LOAD_PER_PROCESSOR = 4;
const MIN_OWN_LOOP = 0.95;
const NO_LOAD = { cpu: undefined, memory: undefined, io: undefined, perProcessor: undefined } as const;

const isSilent = ({ report }: Facts) => SILENT_CAUSES.has(report.cause);
/** A remote idle limit continues while this machine sleeps. */
const ranOutOfTime = (facts: Facts) =>
  isSilent(facts) || (facts.report.cause === 'session-removed' && /inactivity|TIMEOUT/.test(facts.report.message));

export const SLEEP_ROW: Row = {
  reason: 'machine-slept',
  confidence: 'likely',
  when: (facts) => ranOutOfTime(facts) && facts.sleptMs >= MIN_SLEEP_MS,
  evidence: ({ sleptMs }) => [`this machine slept for ${describeDuration(sleptMs)} right before the death`],
  advice: () => 'Keep the machine awake during runs (systemd-inhibit on Linux, caffeinate on macOS)',
};

/** Returns the facts about the load that are above their limits. */
function describeOverload({ load, isOwn }: Facts): string[] {
  const { ownEventLoop } = load;
  // The load of this machine says nothing about a browser elsewhere.
  const { cpu, memory, io, perProcessor } = isOwn ? load : NO_LOAD;
  const lines: string[] = [];
  const isCpuShort = cpu === undefined ? (perProcessor ?? 0) >= MIN_LOAD_PER_PROCESSOR : cpu >= MIN_PRESSURE.cpu;
  const average = perProcessor === undefined ? '' : `load average ${perProcessor.toFixed(1)} per processor`;
  if (isCpuShort)
    lines.push(
      cpu === undefined
        ? `this machine was overloaded: ${average}`
        : `processes waited for a processor in ${Math.round(cpu)} % of the last 10 s${average && ` (${average})`}`,
    );
  if ((memory ?? 0) >= MIN_PRESSURE.memory)
    lines.push(`processes waited for memory in ${Math.round(memory ?? 0)} % of the last 10 s`);
  if ((io ?? 0) >= MIN_PRESSURE.io)
    lines.push(`processes waited for disks in ${Math.round(io ?? 0)} % of the last 10 s`);
  if (ownEventLoop >= MIN_OWN_LOOP)
    lines.push(`this program itself was busy in ${Math.round(ownEventLoop * 100)} % of the last seconds`);
  return lines;
}

export const LOAD_ROWS: readonly Row[] = [
  {
    reason: 'overloaded',
    confidence: 'likely',
    when: (facts) => facts.report.cause === 'frozen' && describeOverload(facts).length > 0,
    evidence: describeOverload,
    advice: (facts) =>
      facts.load.ownEventLoop >= MIN_OWN_LOOP
        ? 'Move long calculations of the action out of its event loop (worker threads), or raise HEARTBEAT_TIMEOUT_SECONDS'
        : 'Run fewer sessions (MAX_SESSIONS) or fewer other programs on this machine, or raise HEARTBEAT_TIMEOUT_SECONDS',
  },
];
