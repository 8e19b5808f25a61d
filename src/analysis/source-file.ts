/** Parses one source file into a syntax tree. Types are replaced by blanks, so that all positions are those of the file. */
import { readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';

import { parse, type Comment } from 'acorn';
import { fullAncestor } from 'acorn-walk';

import { isClass, isFunction, type AnyNode, type Identifier, type Program } from './ast.ts';

export interface SourceFile {
  /** An absolute path. */
  readonly file: string;
  readonly program: Program;
  readonly parents: ReadonlyMap<AnyNode, AnyNode>;
  /** The nodes of the tree, a node after the nodes within it. */
  readonly nodes: readonly AnyNode[];
  /** The identifiers that refer to a variable, without property names and labels. */
  readonly identifiers: readonly Identifier[];
  /** The lines with a comment `replay-safe: <reason>`. */
  readonly safeLines: ReadonlySet<number>;
}

const REPLAY_SAFE = /^[\s*]*replay-safe:\s*\S/m;

/** Returns undefined for a file that can't be read or parsed: the module loader reports that with its reason. */
export async function readSourceFile(file: string): Promise<SourceFile | undefined> {
  try {
    return parseSource(await readFile(file, 'utf8'), file);
  } catch {
    return undefined;
  }
}

function parseSource(text: string, file: string): SourceFile {
  const comments: Comment[] = [];
  const source = /\.[cm]?ts$/.test(file) ? stripTypeScriptTypes(text) : text;
  const options = { ecmaVersion: 'latest', locations: true, sourceFile: file, onComment: comments } as const;
  let program: Program;
  try {
    program = parse(source, { ...options, sourceType: 'module' });
  } catch {
    comments.length = 0;
    program = parse(source, { ...options, sourceType: 'commonjs' });
  }
  const parents = new Map<AnyNode, AnyNode>();
  const nodes: AnyNode[] = [];
  const identifiers: Identifier[] = [];
  fullAncestor(program, (node, _state, ancestors) => {
    const parent = ancestors.at(-2);
    if (parent !== undefined) parents.set(node, parent);
    nodes.push(node);
    if (node.type === 'Identifier' && !isName(node, parent)) identifiers.push(node);
  });
  const safeLines = new Set(
    comments.filter(({ value }) => REPLAY_SAFE.test(value)).map(({ loc }) => loc?.end.line ?? 0),
  );
  return { file, program, parents, nodes, identifiers, safeLines };
}

/** Returns whether the identifier is the name of a function or a class, which is a declaration and not a use. */
function isName(node: Identifier, parent: AnyNode | undefined): boolean {
  return parent !== undefined && (isFunction(parent) || isClass(parent)) && parent.id === node;
}
