/** Describes a supervisor's session at one moment. */
import type { Epoch } from './epoch.ts';
import type { SupervisorHealth } from './options.ts';

export interface HealthFacts extends Pick<SupervisorHealth, 'state' | 'heartbeatIntervalMs'> {
  readonly commandsInFlight: number;
}

export function describeHealth(
  epoch: Epoch,
  { state, heartbeatIntervalMs, commandsInFlight }: HealthFacts,
): SupervisorHealth {
  const { death, lastHeartbeatAt, work, cascadeCount, number, isHalted } = epoch;
  return {
    isAlive: state === 'alive',
    state,
    epoch: number,
    lastHeartbeatAt: lastHeartbeatAt?.toISOString() ?? null,
    heartbeatIntervalMs,
    shouldHalt: isHalted,
    deathDetected: death !== undefined,
    deathAt: death?.at ?? null,
    death: death ?? null,
    parallelOperations: isHalted ? 0 : work.count(commandsInFlight).running,
    cascadeCount,
  };
}
