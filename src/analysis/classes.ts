/** The members of classes and the relations between classes. */
import { isClass, isFunction, keyName, type AnyNode, type ClassNode } from './ast.ts';
import type { SourceModel } from './source-model.ts';

const MAX_PARENTS = 8;

export interface MemberOptions {
  readonly isStatic: boolean;
  /** True if the members of classes that extend the class count as well. */
  readonly isOpen?: boolean;
}

export class Classes {
  readonly #model: SourceModel;
  readonly #resolve: (node: AnyNode) => ClassNode | undefined;
  readonly #parents = new Map<ClassNode, ClassNode | undefined>();
  #all: readonly ClassNode[] | undefined;

  /** `resolve` returns the class that an expression refers to. */
  constructor(model: SourceModel, resolve: (node: AnyNode) => ClassNode | undefined) {
    this.#model = model;
    this.#resolve = resolve;
  }

  /** The class of these files that `owner` extends. */
  parentOf(owner: ClassNode): ClassNode | undefined {
    if (this.#parents.has(owner)) return this.#parents.get(owner);
    const parent = owner.superClass ? this.#resolve(owner.superClass) : undefined;
    this.#parents.set(owner, parent === owner ? undefined : parent);
    return parent;
  }

  /** The class and the classes of these files that it extends, nearest first. */
  lineOf(owner: ClassNode): readonly ClassNode[] {
    const line: ClassNode[] = [];
    for (let next: ClassNode | undefined = owner; next !== undefined && line.length < MAX_PARENTS;) {
      line.push(next);
      next = this.parentOf(next);
    }
    return line;
  }

  /** The classes that extend `owner`. */
  heirsOf(owner: ClassNode): readonly ClassNode[] {
    this.#all ??= this.#model.files.flatMap(({ nodes }) => nodes.filter(isClass));
    return this.#all.filter((one) => one !== owner && this.lineOf(one).includes(owner));
  }

  /** Returns whether one of the two classes extends the other, or both are the same. */
  areRelated(first: ClassNode, second: ClassNode): boolean {
    return this.lineOf(first).includes(second) || this.lineOf(second).includes(first);
  }

  /** The expressions that can be the value of a member. */
  membersOf(owner: ClassNode, name: string, { isStatic, isOpen = false }: MemberOptions): readonly AnyNode[] {
    const nearest = this.lineOf(owner)
      .map((one) => this.ownMembers(one, name, { isStatic }))
      .find((members) => members.length > 0);
    const heirs = isOpen ? this.heirsOf(owner).flatMap((one) => this.ownMembers(one, name, { isStatic })) : [];
    return [...(nearest ?? []), ...heirs];
  }

  ownMembers(owner: ClassNode, name: string, { isStatic }: MemberOptions): readonly AnyNode[] {
    return owner.body.body.flatMap((member) => {
      if (member.type === 'StaticBlock' || member.static !== isStatic || keyName(member) !== name) return [];
      const isSetter = member.type === 'MethodDefinition' && member.kind === 'set';
      if (!member.value || isSetter) return [];
      const isGetter = member.type === 'MethodDefinition' && member.kind === 'get';
      return isGetter && isFunction(member.value) ? this.#returnsOf(member.value) : [member.value];
    });
  }

  #returnsOf(getter: AnyNode): readonly AnyNode[] {
    return this.#model
      .nodesWithin(getter, isFunction)
      .flatMap((node) => (node.type === 'ReturnStatement' && node.argument ? [node.argument] : []));
  }
}
