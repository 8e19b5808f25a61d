/** Starts a watchdog and a process in the folder that it guards, and prints its pid, but does not name it to the watchdog. */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { startWatchdog } from '../../src/driver/watchdog.ts';

const folder = path.join(tmpdir(), `wds-${process.pid}`);
startWatchdog(folder);
mkdirSync(folder);
const child = spawn('sleep', ['60'], { detached: true, env: { ...process.env, TMPDIR: folder }, stdio: 'ignore' });
console.log(JSON.stringify({ pid: child.pid, folder }));
