/** The rows of sessions at another program's endpoint, such as a Grid. Its own words are the only facts. */
import type { Facts } from './facts.ts';
import type { Row } from './row.ts';

/** The texts are from the sources of Selenium Grid 4 and of the Selenium 3 hub. */
const IDLE_WORDS = /due to inactivity|terminated due to (BROWSER_|PROXY_)?TIMEOUT/i;
const NODE_WORDS = /node was (removed|restarted)|Reason: .*node/i;
const QUIT_WORDS = /QUIT command|CLIENT_STOPPED_SESSION/;
const UNREACHABLE_WORDS =
  /java\.(net|util\.concurrent)\.|HttpTimeoutException|Connection error \((POST|GET|DELETE)|Failed to execute request/;
const MISSING_WORDS =
  /Unable to find session with ID|Cannot find session|Session ID: \S+ was closed|not available and is not among|timed out or not found|either terminated or not started/i;

const says = (words: RegExp) => (facts: Facts) => !facts.isOwn && words.test(facts.report.message);
const quoteMessage = ({ report }: Facts) => `the endpoint says: ${report.message}`;

export const REMOTE_ROWS: readonly Row[] = [
  {
    reason: 'grid',
    confidence: 'certain',
    when: says(IDLE_WORDS),
    evidence: (facts) => ['the Grid ended the session, because it got no command for too long', quoteMessage(facts)],
    advice: () =>
      "Raise the idle limit of the Grid's nodes (--session-timeout; SE_NODE_SESSION_TIMEOUT in docker-selenium), or end sessions that wait",
  },
  {
    reason: 'grid',
    confidence: 'certain',
    when: says(NODE_WORDS),
    evidence: (facts) => ["the Grid lost the session's node", quoteMessage(facts)],
    advice: () => "Look at the log and the memory of the Grid's node, and at restarts of its container",
  },
  {
    reason: 'ended-from-outside',
    confidence: 'certain',
    when: says(QUIT_WORDS),
    evidence: (facts) => ['another client of the Grid quit the session; this program did not', quoteMessage(facts)],
    advice: () => 'Find the program or the user that quits sessions on this Grid',
  },
  {
    reason: 'grid',
    confidence: 'certain',
    when: says(UNREACHABLE_WORDS),
    evidence: (facts) => ["the Grid could not reach the session's node or its driver", quoteMessage(facts)],
    advice: () => "Look at the log and the memory of the Grid's node, and at the network between the hub and the node",
  },
  {
    reason: 'grid',
    confidence: 'likely',
    when: says(MISSING_WORDS),
    evidence: (facts) => [
      'the endpoint no longer has the session, and this program did not end it',
      quoteMessage(facts),
    ],
    advice: () => "Look for the session's id in the log of the Grid, and at its idle limit (--session-timeout)",
  },
];
