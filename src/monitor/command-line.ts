/** How a command is typed where the monitor runs, such as `npm run sessions -- list`. */
export type CommandLine = (
  command: 'run' | 'runs' | 'sessions' | 'health' | 'metrics' | 'reset-stuck',
  rest?: string,
) => string;

/** By the program's own name. */
export const byName: CommandLine = (command, rest = '') =>
  ['webdriver-supervisor', command, rest].filter(Boolean).join(' ');
