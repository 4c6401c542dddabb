import type { Network } from '../network/network.js';
import type { Plan } from '../plan/plan.js';
import type { Owner } from '../program/program.js';

/** Numbers a network's passes in order of execution: one for a node outside blocks, one for each group of a block's plan. */
export class PassOrder {
  /** How many there are. */
  readonly count: number;
  readonly #first: Int32Array;

  constructor(network: Network, plan: Plan) {
    let count = 0;
    this.#first = Int32Array.from(network.nodes, (node) => {
      const first = count;
      count += node.kind === 'block' ? plan.blocks[node.block.index]!.groups.length : 1;
      return first;
    });
    this.count = count;
  }

  /** The pass that something belongs to. */
  of({ node, group }: Owner): number {
    return this.#first[node]! + Math.max(0, group);
  }

  /** A node's first pass, by its position. */
  first(node: number): number {
    return this.#first[node]!;
  }
}
