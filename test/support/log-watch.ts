import { silentLog, type Log, type LogFields } from '../../src/core/log.ts';

/** A log whose lines a test can wait for. */
export class LogWatch {
  readonly lines: { readonly message: string; readonly fields: LogFields }[] = [];
  readonly #waiting = new Set<() => void>();

  readonly log: Log = {
    ...silentLog,
    ...Object.fromEntries(
      (['error', 'warn', 'info', 'debug'] as const).map((level) => [
        level,
        (message: string, fields: LogFields = {}) => {
          this.lines.push({ message, fields });
          for (const wake of this.#waiting) wake();
        },
      ]),
    ),
    child: () => this.log,
  };

  /** Resolves with the fields of the next line that contains `words`, from `from` on. */
  async next(words: string, from = this.lines.length): Promise<LogFields> {
    for (;;) {
      const found = this.lines.slice(from).find(({ message }) => message.includes(words));
      if (found !== undefined) return found.fields;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      await promise;
      this.#waiting.delete(resolve);
    }
  }
}
