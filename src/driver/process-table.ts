/** The processes of this machine, as its own tables tell them. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** One row of the process table. */
export interface ProcessInfo {
  readonly pid: number;
  readonly ppid: number;
  /** Process group. */
  readonly pgid: number;
  /** State letter, as in `ps`. */
  readonly state: string;
  /** Command line with single spaces; the bare name for a zombie. */
  readonly command: string;
  /** Tells two processes apart that had the same pid one after the other. Opaque. */
  readonly startedAt: string;
}

const HAS_PROC = process.platform === 'linux';

/** All processes of this machine that this user may see: from /proc on Linux, elsewhere from `ps`. */
export function listProcesses(): ProcessInfo[] {
  if (!HAS_PROC) return listByPs();
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => readProcess(Number(pid))).filter((info) => info !== undefined);
}

/** The state letter of one process; undefined when it is gone. */
export function readProcessState(pid: number): string | undefined {
  if (!HAS_PROC)
    return (
      ps(['-o', 'state=', '-p', String(pid)])
        .trim()
        .charAt(0) || undefined
    );
  return readStat(pid)?.state;
}

/** A variable of a process's environment at its start; undefined when unset, unreadable, or not on Linux. */
export function readProcessVariable(pid: number, name: string): string | undefined {
  const entries = readProc(`${pid}/environ`)?.split('\0') ?? [];
  return entries.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** One process; undefined when it is gone. */
export function readProcess(pid: number): ProcessInfo | undefined {
  if (!HAS_PROC) return listByPs().find((info) => info.pid === pid);
  const stat = readStat(pid);
  if (!stat) return undefined;
  const command = readProc(`${pid}/cmdline`)?.replaceAll('\0', ' ').trim();
  return { pid, ...stat, command: command === undefined || command === '' ? stat.command : command };
}

/** Fields of proc_pid_stat(5). The name in parentheses may itself hold spaces and parentheses. */
function readStat(pid: number): Omit<ProcessInfo, 'pid'> | undefined {
  const text = readProc(`${pid}/stat`);
  if (text === undefined) return undefined;
  const nameEnd = text.lastIndexOf(')');
  const fields = text.slice(nameEnd + 2).split(' ');
  return {
    command: text.slice(text.indexOf('(') + 1, nameEnd),
    state: fields[0] ?? 'X',
    ppid: Number(fields[1]),
    pgid: Number(fields[2]),
    startedAt: fields[19] ?? '',
  };
}

/** Undefined when the process is gone, or isn't ours to read. */
function readProc(path: string): string | undefined {
  if (!HAS_PROC) return undefined;
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch {
    return undefined;
  }
}

function listByPs(): ProcessInfo[] {
  const row = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S)\S*\s+(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(.*)$/;
  const found: ProcessInfo[] = [];
  for (const line of ps(['-axo', 'pid=,ppid=,pgid=,state=,lstart=,command=']).split('\n')) {
    const [, pid, ppid, pgid, state = '', startedAt = '', command = ''] = row.exec(line) ?? [];
    if (pid === undefined) continue;
    found.push({ pid: Number(pid), ppid: Number(ppid), pgid: Number(pgid), state, startedAt, command });
  }
  return found;
}

/** Empty when `ps` found nothing, which it tells by its exit code. */
function ps(args: readonly string[]): string {
  try {
    return execFileSync('ps', args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: '/bin:/usr/bin', LC_ALL: 'C' },
    });
  } catch {
    return '';
  }
}
