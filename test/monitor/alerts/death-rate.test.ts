import { expect } from 'chai';

import { ALERT_RULES } from '../../../src/monitor/alerts/rules.ts';
import { LIMITS, makeRecentDeaths, QUIET } from './quiet-facts.ts';

describe('the alert about many deaths', () => {
  it('names the most frequent known reason of many deaths, and its advice', () => {
    const diagnosis = {
      reason: 'out-of-memory',
      confidence: 'certain',
      evidence: [],
      advice: 'Raise the limit.',
    } as const;
    const recentDeaths = [...makeRecentDeaths('tab-crashed', 9), ...makeRecentDeaths('browser-gone', 2, diagnosis)];
    const [found] = ALERT_RULES.flatMap(({ find }) => find({ ...QUIET, recentDeaths }, LIMITS));
    expect(found?.message).to.equal(
      '11 sessions died within 10 min. The most frequent cause is tab-crashed (9), the most frequent reason is out-of-memory (2). Raise the limit.',
    );
  });
});
