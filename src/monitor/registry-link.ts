/**
 * The monitor's way to a registry that may be down, slow or locked: it answers within its limit, or says why not, and comes back by itself.
 */
import { delay, settlesWithin, withDeadline } from '../core/abort.ts';
import { ConfigError, DeadlineError, SupervisorError, toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { redactUrl } from '../core/redact.ts';
import { openRegistry, RegistryError, type Registry } from '../registry/registry.ts';

/** Within it everybody who asks gets an answer, whatever the database does. */
export const ANSWER_LIMIT_MS = 1_500;
/** So long the first answer is waited for: a wrong setting is told by the program's end and not by its log. */
const FIRST_LIMIT_MS = 3_000;
const RETRY_MS = 1_000;
/** Questions that are still open beyond their limit; further ones are answered at once. */
const MOST_OVERDUE = 4;

export class RegistryLink implements AsyncDisposable {
  /** Without a password. */
  readonly place: string;
  readonly #url: string;
  readonly #log: Log;
  readonly #closing = new AbortController();
  readonly #opened = Promise.withResolvers<Registry>();
  #registry: Registry | undefined;
  #opening: Promise<void> = Promise.resolve();
  #trouble: string | undefined;
  #overdue = 0;

  /** Resolves also where the registry can't be reached yet. Rejects with `ConfigError` where it never can be. */
  static async open(url: string, log: Log): Promise<RegistryLink> {
    const link = new RegistryLink(url, log);
    const first = link.#tryOpen();
    link.#opening = first.catch((thrown: unknown) => (thrown instanceof ConfigError ? undefined : link.#openAgain()));
    if (await settlesWithin(first, FIRST_LIMIT_MS)) await first.catch(throwIfHopeless);
    return link;
  }

  private constructor(url: string, log: Log) {
    this.#url = url;
    this.#log = log;
    this.place = redactUrl(url);
    this.#opened.promise.catch(() => undefined);
  }

  /** Once it could be opened. Rejects where the link is closed before. */
  get opened(): Promise<Registry> {
    return this.#opened.promise;
  }

  /** Rejects with {@link RegistryError} that says why, also where `work` has no answer within the limit; it is left to itself then. */
  async use<Value>(work: (registry: Registry) => Promise<Value>, limitMs = ANSWER_LIMIT_MS): Promise<Value> {
    const registry = this.#registry;
    if (registry === undefined) throw new RegistryError(this.#trouble ?? `The registry ${this.place} is not open yet.`);
    if (this.#overdue >= MOST_OVERDUE) throw this.#makeSilence(limitMs);
    const answer = work(registry);
    try {
      return await withDeadline(answer, limitMs, 'The registry');
    } catch (thrown) {
      if (thrown instanceof DeadlineError) {
        this.#noteOverdue(answer);
        throw this.#makeSilence(limitMs);
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
        this.#log.error('The registry can’t be opened; it is tried again', { reason: message });
      this.#trouble = message;
      throw thrown;
    }
    if (this.#trouble !== undefined) this.#log.info('The registry is open');
    this.#opened.resolve(this.#registry);
  }

  async #openAgain(): Promise<void> {
    const { signal } = this.#closing;
    while (this.#registry === undefined && !signal.aborted) {
      // Ends with the link.
      await delay(RETRY_MS, signal).catch(() => undefined);
      if (!signal.aborted) await this.#tryOpen().catch(() => undefined);
    }
  }

  #noteOverdue(answer: Promise<unknown>): void {
    this.#overdue += 1;
    const onAnswer = () => (this.#overdue -= 1);
    answer.then(onAnswer, onAnswer);
  }

  #makeSilence(limitMs: number): RegistryError {
    return new RegistryError(
      `The registry ${this.place} did not answer within ${limitMs / 1_000} s. See that its database runs, and that nobody holds its lock.`,
    );
  }
}

function throwIfHopeless(thrown: unknown): void {
  if (thrown instanceof ConfigError) throw thrown;
}
