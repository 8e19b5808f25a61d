/** Typed events. Events only announce: without any listener, a program does the same. */
import { toError } from './errors.ts';

export type Listener<Event> = (event: Event) => void;
/** Ends a subscription; further calls do nothing. */
export type Disposer = () => void;

/**
 * Calls listeners in the order of their subscription. If a listener throws, or its promise rejects, the error goes to `onListenerError`;
 * the emitter and the other listeners are not affected.
 */
export class Events<EventMap extends object> {
  readonly #listeners = new Map<keyof EventMap, Set<Listener<never>>>();
  readonly #onListenerError: (error: Error, event: keyof EventMap) => void;

  constructor(onListenerError: (error: Error, event: keyof EventMap) => void) {
    this.#onListenerError = onListenerError;
  }

  on<Name extends keyof EventMap>(name: Name, listener: Listener<EventMap[Name]>): Disposer {
    // A separate wrapper, so that a function that is subscribed twice has two subscriptions.
    const subscription: Listener<EventMap[Name]> = (event) => listener(event);
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(subscription));
    return () => void listeners.delete(subscription);
  }

  emit<Name extends keyof EventMap>(name: Name, event: EventMap[Name]): void {
    const listeners = this.#listeners.get(name);
    if (listeners === undefined) return;
    for (const listener of [...listeners] as Listener<EventMap[Name]>[]) {
      try {
        const returned: unknown = listener(event);
        if (returned instanceof Promise) returned.catch((thrown: unknown) => this.#report(thrown, name));
      } catch (thrown) {
        this.#report(thrown, name);
      }
    }
  }

  #report(thrown: unknown, name: keyof EventMap): void {
    try {
      this.#onListenerError(toError(thrown), name);
    } catch {
      // The error can't be reported, and the emitter must not be affected.
    }
  }
}
