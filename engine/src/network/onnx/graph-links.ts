import type { Graph, GraphNode } from './graph.js';
import { countOf, dimsOf, float32Values, isFloatType } from './tensor.js';

/** Who writes and who reads each value of a graph. */
export class GraphLinks {
  private readonly producers = new Map<string, GraphNode>();
  private readonly readers = new Map<string, Set<GraphNode>>();

  constructor(readonly graph: Graph) {
    for (const node of graph.nodes) {
      for (const output of node.outputs) this.producers.set(output, node);
      for (const input of [...node.inputs, ...node.captured]) {
        const readers = this.readers.get(input) ?? new Set();
        this.readers.set(input, readers.add(node));
      }
    }
  }

  /** The operator that writes a value; undefined for one that is there before. */
  producer(value: string): GraphNode | undefined {
    return this.producers.get(value);
  }

  /** True when nothing but these operators reads what a node writes. */
  onlyReadBy({ outputs }: GraphNode, ...nodes: readonly GraphNode[]): boolean {
    const [value] = outputs;
    // A value may have as many readers as a file has operators.
    for (const reader of this.readers.get(value!) ?? []) if (!nodes.includes(reader)) return false;
    return !this.graph.outputs.includes(value!);
  }

  /** All operators that read what a node writes. */
  readersOf({ outputs }: GraphNode): readonly GraphNode[] {
    return [...(this.readers.get(outputs[0]!) ?? [])];
  }

  /** The one operator that reads what a node writes, if it is that and nothing else reads it. */
  onlyReader({ outputs }: GraphNode): GraphNode | undefined {
    const [value] = outputs;
    const readers = this.readers.get(value!);
    if (readers?.size !== 1 || this.graph.outputs.includes(value!)) return undefined;
    const [reader] = readers;
    return reader;
  }

  isConstant(name: string): boolean {
    return this.graph.constants.has(name);
  }

  /** The value of a constant that has one. */
  scalar(name: string): number | undefined {
    const tensor = this.graph.constants.get(name);
    if (!tensor || !isFloatType(tensor.dataType) || countOf(dimsOf(tensor)) !== 1) return undefined;
    return float32Values(tensor)[0];
  }
}
