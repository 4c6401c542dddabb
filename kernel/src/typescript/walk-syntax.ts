import type { AnyNode, Node } from 'acorn';

export interface Place {
  readonly parent: AnyNode | undefined;
  /** Functions and class members around the node, the node itself not counted. */
  readonly functionDepth: number;
}

/** Calls `visit` for every node, parents first. Not recursive: a cell may be nested deeper than the stack. */
export function walkSyntax(root: Node, visit: (node: AnyNode, place: Place) => void): void {
  const nodes: AnyNode[] = [root as AnyNode];
  const places: Place[] = [{ parent: undefined, functionDepth: 0 }];
  for (let node = nodes.pop(); node; node = nodes.pop()) {
    const place = places.pop()!;
    visit(node, place);
    const first = nodes.length;
    const inside: Place = { parent: node, functionDepth: place.functionDepth };
    const deeper: Place = { parent: node, functionDepth: place.functionDepth + 1 };
    const open = (child: unknown) => {
      if (!isNode(child)) return;
      nodes.push(child);
      places.push(entersFunction(node!, child) ? deeper : inside);
    };
    for (const key in node) {
      const value = (node as unknown as Record<string, unknown>)[key];
      if (typeof value !== 'object' || value === null) continue;
      if (Array.isArray(value)) for (const child of value) open(child);
      else open(value);
    }
    // What is opened last is visited first.
    reverse(nodes, first);
    reverse(places, first);
  }
}

function isNode(value: unknown): value is AnyNode {
  const node = value as Partial<AnyNode> | null;
  return (
    typeof node === 'object' &&
    node !== null &&
    typeof node.type === 'string' &&
    typeof node.start === 'number'
  );
}

/** Reverses the end of a list. */
function reverse(list: unknown[], from: number): void {
  for (let low = from, high = list.length - 1; low < high; low++, high--) {
    [list[low], list[high]] = [list[high], list[low]];
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
