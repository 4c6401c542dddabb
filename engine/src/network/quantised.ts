import type { Network } from './network.js';

/** Operators that make integers of values, compute with them or make values of them. */
const quantising = /(Q|q)uantizeLinear$|\bQLinear|\bQGemm$|Integer$/;

/** The operators by which a network rounds values to integers, in the pieces that run in onnxruntime; none where it does not. */
export function quantisedOperators({ nodes }: Network): string[] {
  const operators = nodes.flatMap((node) => (node.kind === 'foreign' ? node.operators : []));
  return [...new Set(operators)].filter((operator) => quantising.test(operator)).sort();
}
