import type { ConvolutionActivation, Network } from '../network/network.js';
import { outlineOf } from '../network/outline.js';
import type { Decision } from '../primitives/decision.js';
import { type AdaptiveBlock, NetworkLowering } from '../primitives/network-lowering.js';
import type { Program, ProgramMap } from '../program/program.js';
import { Verifier } from '../program/verify.js';
import type { Shape } from '../tensor.js';
import { type KnownNode, lowerOne } from './lower.js';
import type { Plan } from './plan.js';

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
 * owner is node 0, and their convolutions have no weights.
 */
export interface LoweredPart {
  readonly program: Pick<Program, 'maps' | 'masks' | 'regions' | 'halos' | 'steps' | 'given'>;
  /** Maps given: what the node reads, each once, and then what was pooled for it. */
  readonly givenMaps: number;
  readonly givenMasks: number;
  readonly output: ProgramMap;
  readonly activation: ConvolutionActivation;
  /** The node's block, where it follows its mask. */
  readonly adaptive?: AdaptiveBlock;
  /** The block after it, where this one has made its mask. */
  readonly next?: AdaptiveBlock;
}

/**
 * Lowers one node of a network without those before it, to the same steps that `lowerNetwork` lowers it to.
 * @param network paddings written out
 * @param plan without rewrites
 * @throws FoveaError as `lowerNetwork` does
 */
export function lowerPart(
  network: Network,
  plan: Plan,
  decisions: readonly Decision[],
  position: number,
  { values, handed }: Before,
): LoweredPart {
  const node = outlineOf(network.nodes[position] as KnownNode);
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
  lowerOne(lowering, verifier, node, 0);
  verifier.upTo(builder.made.steps);
  const { map: output, activation } = lowering.value(node.output, node);
  verifier.finish(output);
  const own = node.kind === 'block' ? node.block.index : -1;
  const adaptive = lowering.adaptive.get(own);
  const next = lowering.adaptive.get(own + 1);
  return {
    program: { ...builder.made, given: lowering.given },
    ...{ givenMaps, givenMasks, output, activation },
    ...(adaptive ? { adaptive } : {}),
    ...(next && node.kind === 'block' ? { next } : {}),
  };
}
