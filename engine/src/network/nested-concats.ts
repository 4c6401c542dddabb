import type { NetworkNode } from './network.js';

/** Values that some concat joins, in order, and what may follow them. */
interface Joined {
  /** The concat's value, where one ends here. */
  output?: string;
  readonly behind: Map<string, Joined>;
}

const joined = (): Joined => ({ behind: new Map() });

/**
 * Lets a concat that begins with all that an earlier one joins read that one's value instead. DenseNet's layers each
 * join all maps before them: like this a layer copies two values, not dozens, and those that are joined already need no memory.
 */
export function nestConcats(nodes: readonly NetworkNode[]): readonly NetworkNode[] {
  const start = joined();
  return nodes.map((node) => {
    if (node.kind !== 'concat') return node;
    let at = start;
    let [longest, output]: [number, string | undefined] = [0, undefined];
    for (const [i, input] of node.inputs.entries()) {
      const next = at.behind.get(input) ?? joined();
      at.behind.set(input, next);
      at = next;
      if (at.output !== undefined && i + 1 < node.inputs.length) [longest, output] = [i + 1, at.output];
    }
    at.output ??= node.output;
    return output === undefined ? node : { ...node, inputs: [output, ...node.inputs.slice(longest)] };
  });
}
