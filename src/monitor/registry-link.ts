/**
 * The monitor's connection to a registry that may be down, slow or locked. It answers or rejects within its limit, and opens the registry
 * again by itself.
 */
import { delay, settlesWithin, withDeadline } from '../core/abort.ts';
import { ConfigError, DeadlineError, SupervisorError, toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { redactUrl } from '../core/redact.ts';
import { openRegistry, RegistryError, type Registry } from '../registry/registry.ts';

/** Every caller gets an answer within this time, even if the database does not answer. */
export const ANSWER_LIMIT_MS = 1_500;
/** The time for which the start waits for the first attempt, so that a wrong setting ends the program instead of only being logged. */
const FIRST_OPEN_LIMIT_MS = 3_000;
const RETRY_DELAY_MS = 1_000;
/** The maximum number of calls that run beyond their limit. Further calls are rejected at once. */
const MAX_OVERDUE_CALLS = 4;

export class RegistryLink implements AsyncDisposable {
  /** The registry's URL without its password. */
  readonly location: string;
  readonly #url: string;
  readonly #log: Log;
  readonly #closing = new AbortController();
  readonly #opened = Promise.withResolvers<Registry>();
  #registry: Registry | undefined;
  #opening: Promise<void> = Promise.resolve();
  #trouble: string | undefined;
  #overdue = 0;

  /** Resolves even if the registry can't be reached yet. Rejects with `ConfigError` if it can never be. */
  static async open(url: string, log: Log): Promise<RegistryLink> {
    const link = new RegistryLink(url, log);
    const first = link.#tryOpen();
    link.#opening = first.catch((thrown: unknown) => (thrown instanceof ConfigError ? undefined : link.#openAgain()));
    if (await settlesWithin(first, FIRST_OPEN_LIMIT_MS)) await first.catch(throwIfConfigError);
    return link;
  }

  private constructor(url: string, log: Log) {
    this.#url = url;
    this.#log = log;
    this.location = redactUrl(url);
    this.#opened.promise.catch(() => undefined);
  }

  /** Resolves when the registry is open. Rejects if the link is closed before. */
  get opened(): Promise<Registry> {
    return this.#opened.promise;
  }

  /** Runs `work` on the registry. Rejects with {@link RegistryError} on failure and at the limit. At the limit `work` is not stopped. */
  async use<Value>(work: (registry: Registry) => Promise<Value>, limitMs = ANSWER_LIMIT_MS): Promise<Value> {
    const registry = this.#registry;
    if (registry === undefined)
      throw new RegistryError(this.#trouble ?? `The registry ${this.location} is not open yet.`);
    if (this.#overdue >= MAX_OVERDUE_CALLS) throw this.#makeTimeoutError(limitMs);
    const answer = work(registry);
    try {
      return await withDeadline(answer, limitMs, 'The registry');
    } catch (thrown) {
      if (thrown instanceof DeadlineError) {
        this.#noteOverdue(answer);
        throw this.#makeTimeoutError(limitMs);
      }
      if (thrown instanceof SupervisorError) throw thrown;
      throw new RegistryError(`The registry can't be used: ${toError(thrown).message}`, { cause: thrown });
    }
  }

  async close(): Promise<void> {
    const reason = new RegistryError('The monitor is being closed.');
    this.#closing.abort(reason);
    await this.#opening;
    this.#opened.reject(reason);
    await this.#registry?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #tryOpen(): Promise<void> {
    try {
      this.#registry = await openRegistry(this.#url);
    } catch (thrown) {
      const { message } = toError(thrown);
      if (message !== this.#trouble)
        this.#log.error('The registry can’t be opened; the monitor tries again', { reason: message });
      this.#trouble = message;
      throw thrown;
    }
    if (this.#trouble !== undefined) this.#log.info('The registry is open');
    this.#opened.resolve(this.#registry);
  }

  async #openAgain(): Promise<void> {
    const { signal } = this.#closing;
    while (this.#registry === undefined && !signal.aborted) {
      // The wait rejects when the link is closed.
      await delay(RETRY_DELAY_MS, signal).catch(() => undefined);
      if (!signal.aborted) await this.#tryOpen().catch(() => undefined);
    }
  }

  #noteOverdue(answer: Promise<unknown>): void {
    this.#overdue += 1;
    const onAnswer = () => (this.#overdue -= 1);
    answer.then(onAnswer, onAnswer);
  }

  #makeTimeoutError(limitMs: number): RegistryError {
    return new RegistryError(
      `The registry ${this.location} did not answer within ${limitMs / 1_000} s. Check that its database runs and that no other program holds its lock.`,
    );
  }
}

function throwIfConfigError(thrown: unknown): void {
  if (thrown instanceof ConfigError) throw thrown;
}
