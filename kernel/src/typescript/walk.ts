import type { AnyNode, Node } from 'acorn';

export interface Place {
  readonly parent: AnyNode | undefined;
  /** Functions and class members around the node, the node itself not counted. */
  readonly functionDepth: number;
}

/** Calls `visit` for every node, parents first. Not recursive: a cell may be nested deeper than the stack. */
export function walk(root: Node, visit: (node: AnyNode, place: Place) => void): void {
  const open: { node: AnyNode; place: Place }[] = [
    { node: root as AnyNode, place: { parent: undefined, functionDepth: 0 } },
  ];
  for (let next = open.pop(); next; next = open.pop()) {
    const { node, place } = next;
    visit(node, place);
    const children: AnyNode[] = [];
    for (const [key, value] of Object.entries(node)) {
      if (key === 'type' || typeof value !== 'object' || value === null) continue;
      for (const child of Array.isArray(value) ? value : [value]) {
        if (
          child &&
          typeof (child as AnyNode).type === 'string' &&
          typeof (child as AnyNode).start === 'number'
        ) {
          children.push(child as AnyNode);
        }
      }
    }
    for (const child of children.reverse()) {
      open.push({
        node: child,
        place: { parent: node, functionDepth: place.functionDepth + (entersFunction(node, child) ? 1 : 0) },
      });
    }
  }
}

/** Whether `await` in the child belongs to another function than `await` in the node. */
function entersFunction(node: AnyNode, child: AnyNode): boolean {
  switch (node.type) {
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
    case 'StaticBlock':
      return true;
    case 'PropertyDefinition':
      return node.value === child;
    default:
      return false;
  }
}
