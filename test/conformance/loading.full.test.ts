import { compareBodies } from './compare.ts';
import { errorBodies } from './errors.ts';
import { historyBodies, STRATEGIES, strategyBody, timeoutBodies } from './loading.ts';

compareBodies('Page loads and timeouts', [...timeoutBodies, ...historyBodies]);
compareBodies('Errors', errorBodies, (options) => void options.setAlertBehavior('dismiss and notify'));

for (const strategy of Object.keys(STRATEGIES) as (keyof typeof STRATEGIES)[])
  compareBodies(
    `The page load strategy "${strategy}"`,
    [{ ...strategyBody, expected: STRATEGIES[strategy] }],
    (options) => void options.setPageLoadStrategy(strategy),
  );
