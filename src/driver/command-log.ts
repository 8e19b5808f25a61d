/** The last commands of a session, as evidence of a death: method, route, outcome and duration, never bodies, ids or values. */

const MAX_LOGGED_COMMANDS = 50;

/** A command as it is passed to hooks. */
export interface CommandInfo {
  /** Method and route without ids, such as `POST /url` or `GET /element/{id}/text`. */
  readonly label: string;
  /** The body of the request, as selenium passed it. It may contain secrets, so it must not be logged. */
  readonly data: unknown;
}

/** Returns the label of a command, as in {@link CommandInfo}. */
export function toCommandLabel(method: string, path: string): string {
  return `${method} ${toRoute(path)}`;
}

/** A command of the log, for a recording. */
export interface CommandEntry {
  /** The time when the command was sent, in milliseconds since 1970. */
  readonly atMs: number;
  readonly label: string;
  /** The HTTP status, an error, or `unanswered`. */
  readonly outcome: string;
  /** Null if the command is in flight. */
  readonly durationMs: number | null;
}

/** One command in the log. */
class LoggedCommand {
  readonly #label: string;
  readonly #startedAt = performance.now();
  #outcome = 'unanswered';
  #endedAt: number | undefined;

  constructor(label: string) {
    this.#label = label;
  }

  end(outcome: string): void {
    this.#outcome = outcome;
    this.#endedAt = performance.now();
  }

  isUnanswered(label: string): boolean {
    return this.#endedAt === undefined && this.#label === label;
  }

  /** Returns the command with its times in milliseconds: its start since 1970, and its duration. */
  toEntry(): CommandEntry {
    const durationMs = this.#endedAt === undefined ? null : this.#endedAt - this.#startedAt;
    const atMs = Date.now() - (performance.now() - this.#startedAt);
    return { atMs, label: this.#label, outcome: this.#outcome, durationMs };
  }

  toString(): string {
    const tookMs = (this.#endedAt ?? performance.now()) - this.#startedAt;
    return `${this.#label} ${this.#outcome} ${Math.round(tookMs)}ms`;
  }
}

export class CommandLog {
  #limit = MAX_LOGGED_COMMANDS;
  #count = 0;
  /** The newest command is last. The list grows to twice the limit before it is cut, so that commands do not move on every call. */
  #commands: LoggedCommand[] = [];

  /** Adds a command to the log. `label` is the result of {@link toCommandLabel}. */
  begin(label: string): Pick<LoggedCommand, 'end'> {
    const command = new LoggedCommand(label);
    this.#count += 1;
    if (this.#commands.push(command) === 2 * this.#limit) this.#commands = this.#commands.slice(this.#limit);
    return command;
  }

  /** The number of commands that were added. */
  get count(): number {
    return this.#count;
  }

  /** Raises the number of commands that the log holds from now on, for {@link entries}. */
  hold(limit: number): void {
    this.#limit = limit;
  }

  /** Returns the last commands, the oldest first. Their number is at most the limit of {@link hold}. */
  entries(): CommandEntry[] {
    return this.#commands.slice(-this.#limit).map((command) => command.toEntry());
  }

  /** Returns whether a command with this label is in flight. */
  isUnanswered(label: string): boolean {
    return this.#commands.some((command) => command.isUnanswered(label));
  }

  /** Returns the last commands, the oldest first, such as `POST /url 200 34ms`. */
  lines(): string[] {
    return this.#commands.slice(-MAX_LOGGED_COMMANDS).map(String);
  }
}

const SESSION_PREFIX = '/session/';

function toRoute(path: string): string {
  const end = path.startsWith(SESSION_PREFIX) ? path.indexOf('/', SESSION_PREFIX.length) : 0;
  if (end === -1) return '/';
  const route = path.slice(end);
  // Most commands have no id, and this check is the fastest way to detect that.
  if (!route.includes('/', 1)) return route;
  return route.replace(/\/(element|shadow|cookie|authenticator|credentials)\/(?!active$)[^/]+/g, '/$1/{id}');
}
