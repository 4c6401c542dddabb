import type { ConvolutionActivation, Network, NetworkNode } from '../network/network.js';
import { outlineOf } from '../network/outline.js';
import type { Decision } from '../primitives/decision.js';
import { type AdaptiveBlock, NetworkLowering, type Value } from '../primitives/network-lowering.js';
import type { Program } from '../program/program.js';
import { Verifier } from '../program/verify.js';
import type { Shape } from '../tensor.js';
import { lowerOne } from './lower.js';
import type { Plan } from './plan.js';
import type { Rewrite } from './rewrite.js';

/** A value as the nodes before have left it. */
export interface Given {
  readonly shape: Shape;
  readonly activation: ConvolutionActivation;
}

/** What the steps of one node depend on of the nodes before it. */
export interface Before {
  /** The values that it reads. */
  readonly values: ReadonlyMap<string, Given>;
  /** Set where the block before has made this one's mask: whether it has pooled for it. */
  readonly handed?: { readonly pooled: boolean } | undefined;
}

/**
 * The steps of a single node, by themselves: with maps and masks numbered from 0, those that it was given first. Their
 * owner is node 0, and their convolutions have no weights unless they are rewritten.
 */
export interface LoweredPart {
  readonly program: Pick<Program, 'maps' | 'masks' | 'regions' | 'halos' | 'steps' | 'given'>;
  /** Maps given: what the node reads, each once, and then what was pooled for it. */
  readonly givenMaps: number;
  readonly givenMasks: number;
  /** The node's value; undefined where it is foreign and its shape is not known. */
  readonly output: Value | undefined;
  /** The node's block, where it follows its mask. */
  readonly adaptive?: AdaptiveBlock;
  /** The block after it, where this one has made its mask. */
  readonly next?: AdaptiveBlock;
  /** What the block's rewrite answered, as text. */
  readonly rewritten: string | undefined;
}

/**
 * Lowers one node of a network without those before it, to the same steps that `lowerNetwork` lowers it to.
 * @param network paddings written out
 * @param foreignShapes output shapes of foreign nodes, as far as they are known
 * @throws FoveaError as `lowerNetwork` does
 */
export function lowerPart(
  network: Network,
  plan: Plan,
  decisions: readonly Decision[],
  position: number,
  { values, handed }: Before,
  foreignShapes: ReadonlyMap<string, Shape>,
): LoweredPart {
  const original = network.nodes[position]!;
  // A rewrite may look for the block's own convolutions.
  const node = rewriteOf(original, plan) ? original : outlineOf(original);
  const nodes = [node, ...network.nodes.slice(position + 1)];
  const [first] = values.values();
  const lowering = new NetworkLowering({ ...network, nodes }, plan.blocks, decisions, first!.shape[0]);
  const { builder } = lowering;
  for (const [name, { shape, activation }] of values)
    lowering.define(name, { map: builder.map(shape), activation });
  if (handed && node.kind === 'block') {
    const { shape } = lowering.value(node.inputs[0]!, node).map;
    const adaptive = lowering.adaptiveBlock(node.block, lowering.blockShape(node.block, shape));
    const { batch, rows, columns } = adaptive.mask;
    if (handed.pooled) adaptive.pooled = builder.map([batch, rows, columns, shape[3]]);
  }
  const givenMaps = builder.made.maps.length;
  const givenMasks = builder.made.masks.length;
  const verifier = new Verifier({ ...builder.made, given: lowering.given }, ...builder.made.maps);
  const rewritten = lowerOne(lowering, verifier, plan, 0, foreignShapes);
  verifier.upTo(builder.made.steps);
  const output = lowering.has(node.output) ? lowering.value(node.output, node) : undefined;
  if (output) verifier.finish(output.map);
  const own = node.kind === 'block' ? node.block.index : -1;
  const adaptive = lowering.adaptive.get(own);
  const next = lowering.adaptive.get(own + 1);
  return {
    program: { ...builder.made, given: lowering.given },
    ...{ givenMaps, givenMasks, output, rewritten },
    ...(adaptive ? { adaptive } : {}),
    ...(next && node.kind === 'block' ? { next } : {}),
  };
}

/** The rewrite that a plan has for a node's block. */
export function rewriteOf(node: NetworkNode, plan: Plan): Rewrite | undefined {
  return node.kind === 'block' ? plan.blocks[node.block.index]!.rewrite : undefined;
}
