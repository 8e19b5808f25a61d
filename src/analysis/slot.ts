import type { AnyNode } from './ast.ts';

/** A slot is a storage location that code can change and other code can read: a variable, or a field of an object. */
export interface Slot {
  readonly name: string;
  /** The node whose code the slot belongs to: each time that it is entered, there is a new slot. */
  readonly scope: AnyNode;
  readonly isModuleState: boolean;
  /** The value at the declaration; for a field also the values that its class assigns. */
  readonly values: readonly AnyNode[];
  /** True if `values` is complete; a parameter can have any value. */
  readonly isKnown: boolean;
  readonly references: readonly AnyNode[];
  readonly declaration: AnyNode;
}
