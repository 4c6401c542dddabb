import type { Network } from '../network/network.js';
import { paddedFor } from '../network/padded.js';
import type { BlockShape } from '../network/shapes.js';
import { BlockLowering } from '../primitives/block-lowering.js';
import type { Decision } from '../primitives/decision.js';
import { type AdaptiveBlock, NetworkLowering } from '../primitives/network-lowering.js';
import { primitives } from '../primitives/registry.js';
import type { Program } from '../program/program.js';
import { Verifier } from '../program/verify.js';
import type { Shape } from '../tensor.js';
import { applyRewrite, startOf } from './apply-rewrite.js';
import { lowerForeign, lowerNode } from './lower-node.js';
import type { Plan } from './plan.js';

/** A lowered network: its program, and what is needed to describe a run of it. */
export interface LoweredNetwork {
  readonly program: Program;
  /** By block index; blocks that run densely are absent. */
  readonly adaptive: ReadonlyMap<number, AdaptiveBlock>;
  readonly shapes: ReadonlyMap<number, BlockShape>;
  /** By `node.group`: notes of one pass. */
  readonly passNotes: ReadonlyMap<string, string>;
  /** What the plan's rewrites answered, as text: beside plan, decisions and shapes, all that the program follows from. */
  readonly rewritten: string;
}

/**
 * Lowers a network and its plan to a program for one input shape.
 * @param decisions how each block's mask comes about, by block index
 * @param foreignShapes output shapes of foreign nodes, as far as they have been seen
 * @throws FoveaError `bad-shape` when the layers do not fit the input or each other, `bad-argument` for a rewrite that
 *   cannot be
 */
export function lowerNetwork(
  unpadded: Network,
  plan: Plan,
  input: Shape,
  decisions: readonly Decision[],
  foreignShapes: ReadonlyMap<string, Shape>,
): LoweredNetwork {
  const network = paddedFor(unpadded, { height: input[1], width: input[2] });
  const lowering = new NetworkLowering(network, plan.blocks, decisions, input[0]);
  const { builder } = lowering;
  const inputMap = builder.map(input);
  lowering.define(network.input, { map: inputMap, activation: 'none' });
  const verifier = new Verifier({ ...builder.made, given: lowering.given }, inputMap);
  let rewritten = '';
  let complete = true;
  for (const [position, node] of network.nodes.entries()) {
    const answered = lowerOne(lowering, verifier, plan, position, foreignShapes);
    if (answered !== undefined) rewritten += `${position}: ${answered}\n`;
    verifier.upTo(builder.made.steps);
    complete = lowering.has(node.output);
    if (!complete) break;
    lowering.finishReads(node);
  }
  const output = complete ? lowering.value(network.output, network.nodes.at(-1)!).map : undefined;
  if (output) verifier.finish(output);
  return {
    program: builder.finish(inputMap, output, lowering.given),
    adaptive: lowering.adaptive,
    shapes: lowering.shapes,
    passNotes: lowering.passNotes,
    rewritten,
  };
}

/**
 * Lowers the node at a position of the network; its steps are still to be verified. The value of a foreign node whose
 * shape is not known stays undefined.
 * @returns what a block's rewrite answered, as text; undefined without one
 */
export function lowerOne(
  lowering: NetworkLowering,
  verifier: Verifier,
  plan: Plan,
  position: number,
  foreignShapes: ReadonlyMap<string, Shape>,
): string | undefined {
  const node = lowering.network.nodes[position]!;
  if (node.kind === 'foreign') {
    lowerForeign(lowering, node, position, foreignShapes.get(node.name));
    return undefined;
  }
  if (node.kind !== 'block') {
    lowerNode(lowering, node, position);
    return undefined;
  }
  const { rewrite } = plan.blocks[node.block.index]!;
  const block = new BlockLowering(lowering, node, position, lowering.network.nodes[position + 1]);
  const start = startOf(block);
  for (const primitive of block.sequence) primitives[primitive].lower(block);
  const answered = rewrite && applyRewrite(rewrite, block, start, verifier);
  block.noteUnusedBands(lowering.builder.made.steps.slice(start.steps));
  lowering.define(node.output, { map: block.output!, activation: block.block.activation });
  return answered;
}
