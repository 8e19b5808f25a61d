import { randomBytes } from 'node:crypto';
import { randomAt } from './random.ts';

export const SESSION_COOKIE = 'shop_session';
/** Of the refusals, how many ask for a second of patience; the others for none. */
const SHARE_OF_WHOLE_SECONDS = 0.25;

/** Knows who is in the shop, and when the shop has had enough of a caller. */
export class Gate {
  readonly #seed: number;
  readonly #tooManyRequestsEvery: number;
  readonly #sessions = new Set<string>();
  readonly #turnedAway = new Set<string>();
  #requests = 0;

  constructor(options: { seed: number; tooManyRequestsEvery: number }) {
    this.#seed = options.seed;
    this.#tooManyRequestsEvery = options.tooManyRequestsEvery;
  }

  isKnown(cookieHeader: string | undefined): boolean {
    return (cookieHeader ?? '').split(';').some((pair) => {
      const [name, value] = pair.trim().split('=');
      return name === SESSION_COOKIE && value !== undefined && this.#sessions.has(value);
    });
  }

  /** A new session, as the value of a `Set-Cookie` header. */
  openSession(): string {
    const session = randomBytes(16).toString('hex');
    this.#sessions.add(session);
    return `${SESSION_COOKIE}=${session}; Path=/; HttpOnly; SameSite=Lax`;
  }

  /**
   * Seconds for `Retry-After` when this request is one too many, else undefined. Which requests are refused depends
   * on the seed and on how many came before; the next request for a refused path always passes.
   */
  retryAfterSeconds(path: string): 0 | 1 | undefined {
    const number = this.#requests++;
    if (this.#turnedAway.delete(path) || this.#tooManyRequestsEvery === 0) return undefined;
    const luck = randomAt(this.#seed, number) * this.#tooManyRequestsEvery;
    if (luck >= 1) return undefined;
    this.#turnedAway.add(path);
    return luck < SHARE_OF_WHOLE_SECONDS ? 1 : 0;
  }
}
