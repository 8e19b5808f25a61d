/**
 * Typed events. Events announce, they never drive: removing every listener changes nothing but what is told.
 */
import { toError } from './errors.ts';

export type Listener<Event> = (event: Event) => void;
/** Ends a subscription; calling it again does nothing. */
export type Disposer = () => void;

/**
 * Calls listeners in the order of their subscription. A listener that throws, or whose promise rejects, harms neither the emitter
 * nor the other listeners: its error goes to `onListenerError`.
 */
export class Events<EventMap extends object> {
  readonly #listeners = new Map<keyof EventMap, Set<Listener<never>>>();
  readonly #onListenerError: (error: Error, event: keyof EventMap) => void;

  constructor(onListenerError: (error: Error, event: keyof EventMap) => void) {
    this.#onListenerError = onListenerError;
  }

  on<Name extends keyof EventMap>(name: Name, listener: Listener<EventMap[Name]>): Disposer {
    // A wrapper of its own, so that the same function subscribed twice has two subscriptions.
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
        if (returned instanceof Promise) returned.catch((thrown: unknown) => this.#tell(thrown, name));
      } catch (thrown) {
        this.#tell(thrown, name);
      }
    }
  }

  #tell(thrown: unknown, name: keyof EventMap): void {
    try {
      this.#onListenerError(toError(thrown), name);
    } catch {
      // There is nobody left to tell, and the emitter is not to suffer for it.
    }
  }
}
