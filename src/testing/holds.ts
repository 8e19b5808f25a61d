import { toRequestPredicate, type RecordedRequest, type RequestMatcher } from './request-log.ts';

/** Requests that a test server holds until the test releases them. */
export interface Hold {
  /** Resolves with the first request that was held. */
  readonly caught: Promise<RecordedRequest>;
  /** Releases the held requests, and lets later ones pass. Idempotent. */
  release(): void;
  [Symbol.dispose](): void;
}

/** All holds of one server. A request passes when every hold that matches it is released. */
export class Holds {
  readonly #active = new Set<{
    matches: (request: RecordedRequest) => boolean;
    pass: (request: RecordedRequest) => Promise<void>;
  }>();

  hold(matcher: RequestMatcher): Hold {
    const caught = Promise.withResolvers<RecordedRequest>();
    const released = Promise.withResolvers<void>();
    const entry = {
      matches: toRequestPredicate(matcher),
      pass: (request: RecordedRequest) => {
        caught.resolve(request);
        return released.promise;
      },
    };
    this.#active.add(entry);
    const release = (): void => {
      this.#active.delete(entry);
      released.resolve();
    };
    return { caught: caught.promise, release, [Symbol.dispose]: release };
  }

  /** Resolves when no hold matches the request any more; at once if none does. */
  async waitUntilReleased(request: RecordedRequest): Promise<void> {
    for (const { matches, pass } of [...this.#active]) if (matches(request)) await pass(request);
  }
}
