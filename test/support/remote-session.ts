/** Starts a session at the endpoint in the first argument, and prints its id. The program ends when it is killed. */
import { SessionSupervisor } from 'webdriver-supervisor';

const [gridUrl = ''] = process.argv.slice(2);
const supervisor = await SessionSupervisor.start({ gridUrl });
console.log(supervisor.sessionId);
