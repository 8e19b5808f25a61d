/** The rows of the reason `crashed`. */
import { describeEnd, findVictim, isCrash } from './ends.ts';
import type { Facts } from './facts.ts';
import { quote, type Row } from './row.ts';

const GPU_WORDS = /GPU process isn't usable\. Goodbye/;
/** Chromium ends a tab that sends it invalid messages, because the tab may be under attack. */
const BAD_MESSAGE_WORDS = /Terminating renderer for bad IPC message/;
const CRASH_WORDS = /:FATAL:|Received signal \d+|Check failed:/;

function adviseCrash(facts: Facts): string {
  const { mismatch, url } = facts;
  if (mismatch !== undefined)
    return `Install a driver for version ${mismatch.browser} of the browser; \`npm run doctor\` shows the versions`;
  if (findVictim(facts)?.name === 'driver')
    return 'Update the browser and its driver; `npm run doctor` shows the versions';
  const page = url === null ? 'the same page' : url;
  return `Update the browser and its driver; if ${page} crashes it again, open that page by itself, or skip it`;
}

const describeMismatch = ({ mismatch }: Facts) =>
  mismatch && `the driver is for version ${mismatch.driver}, and the browser is version ${mismatch.browser}`;

function describeCrash(facts: Facts): string | undefined {
  const victim = findVictim(facts);
  if (victim?.end === undefined) return victim && `the ${victim.name} crashed`;
  const isSignal = victim.end.kind === 'signal';
  return `the ${victim.name} ${isSignal ? 'crashed: it was ended' : 'ended'} ${describeEnd(victim.end)}`;
}

export const CRASH_ROWS: readonly Row[] = [
  {
    reason: 'crashed',
    confidence: 'certain',
    when: (facts) => facts.report.cause === 'browser-gone' && GPU_WORDS.test(facts.output),
    evidence: (facts) => [
      'the browser gave up, because its GPU process crashed again and again',
      quote(facts, GPU_WORDS),
    ],
    advice: () => 'Add --disable-gpu to BROWSER_ARGUMENTS, or update the graphics driver',
  },
  {
    reason: 'crashed',
    confidence: 'certain',
    when: ({ report, output }) => report.cause === 'tab-crashed' && BAD_MESSAGE_WORDS.test(output),
    evidence: (facts) => [
      'the browser ended the tab, because it sent an invalid message',
      quote(facts, BAD_MESSAGE_WORDS),
    ],
    advice: adviseCrash,
  },
  {
    reason: 'crashed',
    confidence: 'certain',
    when: (facts) => {
      const end = findVictim(facts)?.end;
      return end?.kind === 'signal' && isCrash(end);
    },
    evidence: (facts) => [describeCrash(facts), quote(facts, CRASH_WORDS), describeMismatch(facts)],
    advice: adviseCrash,
  },
  {
    // A program ends with a code of its choice for many reasons. A tab that ends otherwise than by a signal failed.
    reason: 'crashed',
    confidence: 'likely',
    when: (facts) => isCrash(findVictim(facts)?.end),
    evidence: (facts) => [describeCrash(facts), quote(facts, CRASH_WORDS), describeMismatch(facts)],
    advice: adviseCrash,
  },
  {
    reason: 'crashed',
    confidence: 'likely',
    when: (facts) => {
      const victim = findVictim(facts);
      return victim !== undefined && victim.end === undefined && CRASH_WORDS.test(facts.output);
    },
    evidence: (facts) => [describeCrash(facts), quote(facts, CRASH_WORDS), describeMismatch(facts)],
    advice: adviseCrash,
  },
];
