/** Finds the listeners that a call notifies: `events.emit('row', x)` calls the functions that were passed to `events.on('row', …)`. */
import { methodName, unwrap, type AnyNode, type CallExpression, type FunctionNode } from './ast.ts';
import type { Functions } from './functions.ts';
import type { SourceModel } from './source-model.ts';

const REGISTERING_METHODS = /^(on|once|addListener|prependListener|prependOnceListener|addEventListener)$/;
const EMITTING_METHODS = /^(emit|dispatchEvent)$/;

export class Listeners {
  readonly #model: SourceModel;
  readonly #functions: Functions;
  readonly #registrations: readonly CallExpression[];

  constructor(model: SourceModel, functions: Functions) {
    this.#model = model;
    this.#functions = functions;
    this.#registrations = model.calls.filter(
      (call) => REGISTERING_METHODS.test(methodName(call) ?? '') && call.arguments.length > 1,
    );
  }

  /** The local functions that listen to the event that `call` emits. */
  calledBy(call: CallExpression): readonly FunctionNode[] {
    if (this.#registrations.length === 0 || !EMITTING_METHODS.test(methodName(call) ?? '')) return [];
    return this.#registrations.flatMap((registration) => {
      const listener = registration.arguments[1];
      if (listener === undefined || !this.#isSameEvent(call, registration)) return [];
      return this.#functions.resolve(listener);
    });
  }

  #isSameEvent(emission: CallExpression, registration: CallExpression): boolean {
    const emitted = this.#eventOf(emission.arguments[0]);
    const awaited = this.#eventOf(registration.arguments[0]);
    if (emitted !== undefined && awaited !== undefined && emitted !== awaited) return false;
    const objects = new Set(this.#objectsOf(emission));
    return this.#objectsOf(registration).some((object) => objects.has(object));
  }

  /** The name of the event, if the source shows it; for `new Event('row')` that of the event. */
  #eventOf(node: AnyNode | undefined): string | undefined {
    if (node === undefined) return undefined;
    const [value, ...others] = this.#functions.values.of(node);
    if (others.length > 0) return undefined;
    if (value?.type === 'NewExpression') return this.#eventOf(value.arguments[0]);
    return value?.type === 'Literal' ? String(value.value) : undefined;
  }

  /** The identities of the object of a call: its variable, and its possible values. */
  #objectsOf({ callee }: CallExpression): readonly unknown[] {
    if (callee.type !== 'MemberExpression') return [];
    const object = unwrap(callee.object);
    const { values } = this.#functions;
    const found = values.of(object).map((value) => (value.type === 'ThisExpression' ? values.ownerOf(value) : value));
    const created = values.of(object).flatMap((value) => values.classOf(value) ?? []);
    return [this.#model.bindingOf(object), ...found, ...created].filter((one) => one !== undefined);
  }
}
