/** The last commands of a session, as evidence: method, route, outcome and duration, never bodies, ids or values. */

const KEPT = 50;

/** A command as hooks see it. */
export interface CommandInfo {
  /** Method and route with ids left out, such as `POST /url` or `GET /element/{id}/text`. */
  readonly label: string;
  /** The body of the request, as selenium passed it. May hold secrets: not for logs. */
  readonly data: unknown;
}

/** The label of a command, as in {@link CommandInfo}. */
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
  /** The newest at the end; as many again as are kept, so that they need not move up for each command. */
  #commands: LoggedCommand[] = [];

  /** `label` as {@link toCommandLabel} makes it. */
  begin(label: string): Pick<LoggedCommand, 'end'> {
    const command = new LoggedCommand(label);
    if (this.#commands.push(command) === 2 * KEPT) this.#commands = this.#commands.slice(KEPT);
    return command;
  }

  /** Whether a command with this label is in flight. */
  isUnanswered(label: string): boolean {
    return this.#commands.some((command) => command.isUnanswered(label));
  }

  /** Oldest first, such as `POST /url 200 34ms`. */
  lines(): string[] {
    return this.#commands.slice(-KEPT).map(String);
  }
}

const SESSION_PREFIX = '/session/';

function toRoute(path: string): string {
  const end = path.startsWith(SESSION_PREFIX) ? path.indexOf('/', SESSION_PREFIX.length) : 0;
  if (end === -1) return '/';
  const route = path.slice(end);
  // Most commands have no id, and this is the fastest way to see it.
  if (!route.includes('/', 1)) return route;
  return route.replace(/\/(element|shadow|cookie|authenticator|credentials)\/(?!active$)[^/]+/g, '/$1/{id}');
}
