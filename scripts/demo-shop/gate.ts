import { randomBytes } from 'node:crypto';
import { randomAt } from './random.ts';

const SESSION_COOKIE = 'shop_session';
/** The share of refusals whose `Retry-After` is one second; that of the others is zero. */
const SHARE_OF_WHOLE_SECONDS = 0.25;

/** The sessions of the shop, and its decisions which requests are too many. */
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

  /** Opens a session. Returns the value of its `Set-Cookie` header. */
  openSession(): string {
    const session = randomBytes(16).toString('hex');
    this.#sessions.add(session);
    return `${SESSION_COOKIE}=${session}; Path=/; HttpOnly; SameSite=Lax`;
  }

  /**
   * Returns the seconds for `Retry-After` if this request is refused, otherwise undefined. The seed and the number of earlier requests
   * decide which requests are refused. The next request for a refused path always passes.
   */
  retryAfterSeconds(path: string): 0 | 1 | undefined {
    const number = this.#requests++;
    if (this.#turnedAway.delete(path) || this.#tooManyRequestsEvery === 0) return undefined;
    const random = randomAt(this.#seed, number) * this.#tooManyRequestsEvery;
    if (random >= 1) return undefined;
    this.#turnedAway.add(path);
    return random < SHARE_OF_WHOLE_SECONDS ? 1 : 0;
  }
}
