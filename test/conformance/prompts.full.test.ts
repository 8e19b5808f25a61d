import { compareBodies } from './compare.ts';
import { behaviourBodies, BEHAVIOURS, promptBodies } from './prompts.ts';

compareBodies('Prompts', promptBodies, (options) => void options.setAlertBehavior('ignore'));

for (const behaviour of Object.keys(BEHAVIOURS) as (keyof typeof BEHAVIOURS)[])
  compareBodies(
    `Prompts with the behaviour "${behaviour}"`,
    behaviourBodies(behaviour),
    (options) => void options.setAlertBehavior(behaviour),
  );
