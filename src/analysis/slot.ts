import type { AnyNode } from './ast.ts';

/** A slot is what code can change and other code can see: a variable, or a field of an object. */
export interface Slot {
  readonly name: string;
  /** The node within which the slot lives: each time that it is entered, there is a new one. */
  readonly scope: AnyNode;
  readonly isModuleState: boolean;
  /** The value at the declaration; for a field also the values that its class assigns. */
  readonly values: readonly AnyNode[];
  /** Whether `values` is all that it can be; a parameter can be anything. */
  readonly isKnown: boolean;
  readonly references: readonly AnyNode[];
  readonly declaration: AnyNode;
}
