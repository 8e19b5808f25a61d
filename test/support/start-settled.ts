import { SessionSupervisor, type SupervisorOptions } from 'webdriver-supervisor';
import { listProcesses } from '../../src/driver/process-table.ts';
import { eventually } from './eventually.ts';

/** Starts a session that several tests share, and waits for its driver of the next session: no test may find it as its leftover. */
export async function startSettled(options: SupervisorOptions = {}): Promise<SessionSupervisor> {
  const before = countDrivers();
  const supervisor = await SessionSupervisor.start(options);
  await eventually(async () => countDrivers() >= before + 2, 'the driver of the next session was started');
  return supervisor;
}

/** Drivers that selenium itself starts have no such argument. */
function countDrivers(): number {
  return listProcesses().filter(({ ppid, command }) => ppid === process.pid && command.includes('--url-base=')).length;
}
