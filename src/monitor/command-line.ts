/** Returns a command as the user types it where the monitor runs, such as `npm run sessions -- list`. */
export type CommandLine = (
  command: 'run' | 'runs' | 'enqueue' | 'sessions' | 'health' | 'metrics' | 'reset-stuck',
  rest?: string,
) => string;

/** Returns a command that begins with the program's own name. */
export const byName: CommandLine = (command, rest = '') =>
  ['webdriver-supervisor', command, rest].filter(Boolean).join(' ');
