import type { AnyNode, Node } from 'acorn';
import { walkSyntax } from '../../typescript/walk-syntax.js';

/** Names whose elements or length the loop reads, or that it goes through. */
export function listsOf(root: AnyNode): Set<string> {
  const names = new Set<string>();
  walkSyntax(root, (node) => {
    const base =
      node.type === 'MemberExpression'
        ? node.object
        : node.type === 'ForOfStatement'
          ? node.right
          : undefined;
    if (base?.type !== 'Identifier' || base.name === 'Math' || base.name === 'Number') return;
    names.add(base.name);
  });
  return names;
}

/** Names in keys. */
export function keysOf(root: AnyNode): Set<string> {
  const names = new Set<string>();
  walkSyntax(root, (node) => {
    if (node.type === 'MemberExpression' && node.computed) namesIn(node.property, names);
  });
  return names;
}

export function namesIn(node: Node, names: Set<string> = new Set()): Set<string> {
  walkSyntax(node, (inner) => {
    if (inner.type === 'Identifier') names.add(inner.name);
  });
  return names;
}

/** That values of some names may be assigned to another. */
export interface Flow {
  readonly to: string;
  readonly from: ReadonlySet<string>;
  /** The value itself is passed on, and not one that was made of it. */
  readonly plain: boolean;
}

/** Which names a value is assigned to, and from which. */
export function flowsOf(root: AnyNode): Flow[] {
  const flows: Flow[] = [];
  const add = (to: Node, from: Node) => {
    const target = to as AnyNode;
    if (target.type !== 'Identifier') return;
    flows.push({ to: target.name, from: namesIn(from), plain: (from as AnyNode).type === 'Identifier' });
  };
  walkSyntax(root, (node) => {
    if (node.type === 'VariableDeclarator' && node.init) add(node.id, node.init);
    else if (node.type === 'ForOfStatement' && node.left.type === 'VariableDeclaration') {
      const { id } = node.left.declarations[0]!;
      if (id.type === 'Identifier') flows.push({ to: id.name, from: namesIn(node.right), plain: false });
    } else if (node.type === 'AssignmentExpression') {
      const { left, right } = node;
      if (left.type === 'ArrayPattern' && right.type === 'ArrayExpression') {
        left.elements.forEach((element, index) => {
          const value = right.elements[index];
          if (element && value) add(element, value);
        });
      } else if (node.operator === '=') add(left, right);
      else if (left.type === 'Identifier') flows.push({ to: left.name, from: namesIn(right), plain: false });
    }
  });
  return flows;
}

/**
 * The names given, and those that values reach them from; `both` counts plain passing on, in both directions.
 */
export function closure(
  names: Set<string>,
  flows: readonly Flow[],
  how: 'sources' | 'both',
): ReadonlySet<string> {
  for (let before = -1; before !== names.size; ) {
    before = names.size;
    for (const { to, from, plain } of flows) {
      if (how === 'sources') {
        if (names.has(to)) for (const name of from) names.add(name);
      } else if (plain) {
        const [source] = from;
        if (names.has(to)) names.add(source!);
        else if (names.has(source!)) names.add(to);
      }
    }
  }
  return names;
}
