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

  toString(): string {
    const tookMs = (this.#endedAt ?? performance.now()) - this.#startedAt;
    return `${this.#label} ${this.#outcome} ${Math.round(tookMs)}ms`;
  }
}

export class CommandLog {
  /** The newest command is last. The list grows to twice the limit before it is cut, so that commands do not move on every call. */
  #commands: LoggedCommand[] = [];

  /** Adds a command to the log. `label` is the result of {@link toCommandLabel}. */
  begin(label: string): Pick<LoggedCommand, 'end'> {
    const command = new LoggedCommand(label);
    if (this.#commands.push(command) === 2 * MAX_LOGGED_COMMANDS)
      this.#commands = this.#commands.slice(MAX_LOGGED_COMMANDS);
    return command;
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
