/** The last commands of a session, as evidence: method, route, outcome and duration, never bodies, ids or values. */

const KEPT = 50;

interface Entry {
  /** The path without the session: `/url`, `/element/{id}/click`; `/` is the session itself. */
  readonly route: string;
  /** `POST /url`. */
  readonly label: string;
  end(outcome: string): void;
}

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

export class CommandLog {
  readonly #lines: { label: string; outcome: string; startedAt: number; endedAt: number | null }[] = [];

  /** `label` as {@link toCommandLabel} makes it. */
  begin(label: string): Entry {
    const route = label.slice(label.indexOf(' ') + 1);
    const line = { label, outcome: 'unanswered', startedAt: performance.now(), endedAt: null as number | null };
    this.#lines.push(line);
    if (this.#lines.length > KEPT) this.#lines.shift();
    return {
      route,
      label,
      end: (outcome) => {
        line.outcome = outcome;
        line.endedAt = performance.now();
      },
    };
  }

  /** Whether a command with this label is in flight. */
  isUnanswered(label: string): boolean {
    return this.#lines.some((line) => line.label === label && line.endedAt === null);
  }

  /** Oldest first, such as `POST /url 200 34ms`. */
  lines(): string[] {
    const now = performance.now();
    return this.#lines.map(
      ({ label, outcome, startedAt, endedAt }) => `${label} ${outcome} ${Math.round((endedAt ?? now) - startedAt)}ms`,
    );
  }
}

const SESSION_PREFIX = '/session/';

function toRoute(path: string): string {
  const end = path.startsWith(SESSION_PREFIX) ? path.indexOf('/', SESSION_PREFIX.length) : 0;
  const route = end === -1 ? '/' : path.slice(end);
  return route.replace(/\/(element|shadow|cookie|authenticator|credentials)\/(?!active$)[^/]+/g, '/$1/{id}');
}
