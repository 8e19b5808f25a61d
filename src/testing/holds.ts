import { toRequestPredicate, type RecordedRequest, type RequestMatcher } from './request-log.ts';

/** Requests that a test server keeps waiting until the test releases them. */
export interface Hold {
  /** The first request that got stuck here. */
  readonly caught: Promise<RecordedRequest>;
  /** Lets go what waits, and what comes later. Idempotent. */
  release(): void;
  [Symbol.dispose](): void;
}

/** All holds of one server. A request passes when every hold that catches it was released. */
export class Holds {
  readonly #active = new Set<{
    isMeant: (request: RecordedRequest) => boolean;
    pass: (request: RecordedRequest) => Promise<void>;
  }>();

  hold(matcher: RequestMatcher): Hold {
    const caught = Promise.withResolvers<RecordedRequest>();
    const released = Promise.withResolvers<void>();
    const entry = {
      isMeant: toRequestPredicate(matcher),
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

  /** Resolves at once when nothing holds the request. */
  async waitUntilReleased(request: RecordedRequest): Promise<void> {
    for (const { isMeant, pass } of [...this.#active]) if (isMeant(request)) await pass(request);
  }
}
