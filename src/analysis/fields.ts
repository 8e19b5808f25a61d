/** Finds the slots that are fields: of the instances of a class, of an object literal, of a function, and of the context of an action. */
import {
  fileOf,
  isClass,
  isFunction,
  propertyName,
  unwrap,
  type AnyNode,
  type ClassNode,
  type MemberExpression,
} from './ast.ts';
import type { Binding } from './bindings.ts';
import type { Functions } from './functions.ts';
import type { Roles } from './roles.ts';
import type { Slot } from './slot.ts';
import type { SourceModel } from './source-model.ts';

export interface FieldTools {
  readonly model: SourceModel;
  readonly functions: Functions;
  readonly roles: Roles;
}

const GLOBALS = /^(globalThis|global)$/;

interface FieldOptions {
  readonly owner: AnyNode;
  readonly name: string;
  /** The name in messages. */
  readonly label: string;
  readonly values: readonly AnyNode[];
  readonly isModuleState: boolean;
  readonly scope: AnyNode;
  /** Returns whether an expression is an object with the field. */
  readonly isOwner: (node: AnyNode) => boolean;
}

interface Uses {
  readonly members: ReadonlyMap<string, readonly MemberExpression[]>;
  /** The objects that are passed to code which can read all of their fields. */
  readonly handedOn: readonly AnyNode[];
}

export class Fields {
  readonly #tools: FieldTools;
  readonly #known = new Map<AnyNode, Map<string, Slot>>();
  #uses: Uses | undefined;

  constructor(tools: FieldTools) {
    this.#tools = tools;
  }

  /** A field of the instances of a class, including its uses in classes that it extends and that extend it. */
  ofClass(owner: ClassNode, name: string): Slot {
    return this.#slot(owner, name, () => {
      const { functions, model } = this.#tools;
      const creations = model.files.flatMap(({ nodes }) =>
        nodes.filter((node) => node.type === 'NewExpression' && functions.values.hasOwner(node, owner)),
      );
      return {
        owner,
        name,
        label: `this.${name}`,
        values: functions.fieldValues(owner, name).map(unwrap),
        isModuleState: creations.length > 0 && creations.every((node) => functions.runsAtLoad(node)),
        scope: owner,
        isOwner: (node) => functions.values.hasOwner(node, owner),
      };
    });
  }

  /** A property of an object literal, of a function, or of a class itself. */
  ofLiteral(owner: AnyNode, name: string): Slot {
    return this.#slot(owner, name, () => {
      const { functions, model } = this.#tools;
      const { values } = functions;
      const object = [...model.ancestors(owner)].find((node) => node.type === 'VariableDeclarator');
      const variable = object?.type === 'VariableDeclarator' && object.id.type === 'Identifier' ? object.id.name : '';
      const isNamed = (isFunction(owner) && owner.type !== 'ArrowFunctionExpression') || isClass(owner);
      const ownName = isNamed ? owner.id?.name : undefined;
      return {
        owner,
        name,
        label: `${ownName ?? (variable || 'this')}.${name}`,
        values: values.membersOf(owner, name).map(unwrap),
        isModuleState: functions.runsAtLoad(owner),
        scope: model.functionAround(owner)?.body ?? this.#programOf(owner),
        isOwner: (node) => values.of(node).includes(owner),
      };
    });
  }

  /** A member that code adds to the context, or a parameter of the action: `params.paths`. */
  ofContext(run: AnyNode, [member, name]: readonly [string, string | null]): Slot {
    const isWhole = name === null || member !== 'params';
    return this.#slot(run, isWhole ? member : `params.${name}`, () => {
      const { roles } = this.#tools;
      const role = isWhole ? '' : member;
      return {
        owner: run,
        name: isWhole ? member : name,
        label: isWhole ? member : `${member}.${name}`,
        values: [],
        isModuleState: false,
        scope: run,
        isOwner: (node) => {
          const found = roles.roleOf(node);
          return found?.owner === 'run' && found.member === role;
        },
      };
    });
  }

  /** `globalThis.rows`. */
  ofGlobal(name: string): Slot {
    const program = this.#tools.model.files[0]?.program;
    if (program === undefined) throw new Error('a model has no files');
    return this.#slot(program, name, () => ({
      owner: program,
      name,
      label: `globalThis.${name}`,
      values: [],
      isModuleState: true,
      scope: program,
      isOwner: (node) => this.isGlobal(node),
    }));
  }

  isGlobal(node: AnyNode): boolean {
    const expression = unwrap(node);
    if (expression.type !== 'Identifier' || !GLOBALS.test(expression.name)) return false;
    return this.#tools.model.bindingOf(expression) === undefined;
  }

  #slot(owner: AnyNode, key: string, describe: () => FieldOptions): Slot {
    const fields = this.#known.get(owner) ?? new Map<string, Slot>();
    this.#known.set(owner, fields);
    const known = fields.get(key);
    if (known !== undefined) return known;
    const options = describe();
    const { label, values, isModuleState, scope } = options;
    const slot: Slot = {
      name: label,
      scope,
      isModuleState,
      values,
      isKnown: values.length > 0,
      references: this.#findReferences(options),
      // The function is not a part of the state in its field.
      declaration: isFunction(owner) ? this.#programOf(owner) : owner,
    };
    fields.set(key, slot);
    return slot;
  }

  #findReferences({ name, isOwner }: FieldOptions): readonly AnyNode[] {
    const { model } = this.#tools;
    const { members, handedOn } = (this.#uses ??= this.#findUses());
    const named = (members.get(name) ?? []).filter(({ object }) => isOwner(object));
    return [
      ...named,
      ...handedOn.filter(isOwner),
      ...model.bindings.flatMap((binding) => this.#takenOut(binding, name, isOwner)),
    ];
  }

  #findUses(): Uses {
    const nodes = this.#tools.model.files.flatMap((file) => file.nodes);
    const members = new Map<string, MemberExpression[]>();
    for (const node of nodes) {
      const name = node.type === 'MemberExpression' ? propertyName(node) : undefined;
      if (node.type !== 'MemberExpression' || name === undefined) continue;
      const named = members.get(name) ?? [];
      members.set(name, named);
      named.push(node);
    }
    return { members, handedOn: nodes.filter((node) => this.#isHandedOn(node)) };
  }

  /** The uses of a variable that holds the field: `const { rows } = store`. */
  #takenOut({ origin, references }: Binding, name: string, isOwner: (node: AnyNode) => boolean): readonly AnyNode[] {
    return origin.from === 'value' && origin.path[0] === name && isOwner(origin.node) ? references : [];
  }

  /** Returns whether the whole object is passed to code that can read all of its fields: `JSON.stringify(store)`, `{ ...store }`. */
  #isHandedOn(node: AnyNode): boolean {
    if (node.type !== 'Identifier' && node.type !== 'ThisExpression') return false;
    const { model, functions } = this.#tools;
    const parent = model.parentOf(node);
    if (parent?.type === 'SpreadElement') return true;
    if (parent?.type === 'Property') return parent.value === node && this.#isInHandedLiteral(parent);
    if (parent?.type !== 'CallExpression' || parent.callee === node) return false;
    return functions.resolve(parent.callee).length === 0;
  }

  #isInHandedLiteral(property: AnyNode): boolean {
    const { model, functions } = this.#tools;
    const literal = model.parentOf(property);
    const call = literal?.type === 'ObjectExpression' ? model.parentOf(literal) : undefined;
    return call?.type === 'CallExpression' && functions.resolve(call.callee).length === 0;
  }

  #programOf(node: AnyNode): AnyNode {
    return this.#tools.model.files.find(({ file }) => file === fileOf(node))?.program ?? node;
  }
}
