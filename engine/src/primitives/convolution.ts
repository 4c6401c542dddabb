import type { LONGEST_BRANCH } from '../network/longest-branch.js';
import { hasShortcut } from '../network/network.js';
import { isPointwise } from '../network/shapes.js';
import { readsAhead, readsRows } from '../program/stream.js';
import { fusesAdd, prepareOutput } from './add.js';
import type { BlockLowering } from './block-lowering.js';
import { mask } from './mask.js';
import { lowerNextPool, poolsBehindAdd } from './next-pool.js';
import { beginPooledConv1 } from './pool.js';
import { beforeInBranch, type ConvolutionPrimitive, convolutionName } from './primitive.js';
import type { PrimitiveRecord } from './record.js';

function convolution(layer: number, description: string): PrimitiveRecord {
  const name = convolutionName(layer);
  return {
    description,
    counts: 'compute',
    standing: ({ branch }) => (layer < branch.length ? 'required' : 'absent'),
    // conv1 may come before the mask is known, and is then computed everywhere.
    after: (block) => [...(layer > 0 ? (['index'] as const) : []), ...beforeInBranch(block, name)],
    lower: (block) => lowerConvolution(block, layer),
  };
}

const descriptions = [
  "the branch's first convolution",
  "the branch's second convolution",
  "the branch's third convolution, absent in basic blocks",
  "the branch's fourth convolution, as pre-activation bottlenecks have it",
  "the branch's fifth convolution, as three separable ones (Xception) have it",
  "the branch's sixth convolution",
  "the branch's seventh convolution",
  "the branch's eighth convolution",
] as const satisfies { readonly length: typeof LONGEST_BRANCH };

/** The convolutions of the longest branch, by name. */
export const convolutions = Object.fromEntries(
  descriptions.map((description, layer) => [convolutionName(layer), convolution(layer, description)]),
) as Readonly<Record<ConvolutionPrimitive, PrimitiveRecord>>;

/** The branch's convolution `layer`, with the add where they share a pass. */
function lowerConvolution(lowering: BlockLowering, layer: number): void {
  const { network, shape, block, values: source } = lowering;
  const owner = lowering.owner(convolutionName(layer));
  const convolution = block.branch[layer]!;
  const region = lowering.regions[layer];
  const next = fusesAdd(lowering, layer) ? poolsBehindAdd(lowering) : undefined;
  const { waiting } = lowering;
  if (waiting !== 'nothing') {
    lowering.waiting = 'nothing';
    beginPooledConv1(lowering);
  } else {
    beginStream(lowering, layer, next !== undefined);
  }
  if (fusesAdd(lowering, layer)) {
    const output = lowering.prepared ?? prepareOutput(lowering, owner);
    network.convolve(owner, convolution, source.map, output, {
      region,
      residual: hasShortcut(lowering.block) ? lowering.shortcut : undefined,
      activation: block.activation,
    });
    lowering.output = output;
    if (next) lowerNextPool(lowering, output);
  } else {
    const { height, width } = shape.branch[layer]!;
    const map = network.builder.map(
      [network.batch, height, width, convolution.outChannels],
      region && mayPack(lowering, layer) ? { kind: 'packed', region } : { kind: 'map' },
    );
    network.convolve(owner, convolution, source.map, map, { region });
    lowering.values = { map, region };
  }
  if (waiting === 'pool and mask') mask.lower(lowering);
}

/**
 * Streams the convolutions that follow each other in one group, when `layer` is the first of them, and with
 * them the next block's pool when the last one carries the add. By itself, the last one streams with the pool.
 */
function beginStream(lowering: BlockLowering, layer: number, pools: boolean): void {
  const { network } = lowering;
  const { branch, attention, projection } = lowering.block;
  const owner = lowering.owner(convolutionName(layer));
  if (layer < lowering.streamedTo) return;
  let last = layer;
  while (
    last + 1 < branch.length &&
    attention?.after !== last &&
    lowering.together(convolutionName(layer), convolutionName(last + 1)) &&
    !readsRows(branch[last + 1]!) &&
    !projectsBetween(lowering, layer, last + 1)
  ) {
    last++;
  }
  const carriesPool = fusesAdd(lowering, last) && poolsBehindAdd(lowering) !== undefined;
  if (last > layer) {
    const decidesBetween = lowering.precedes(convolutionName(layer), 'index');
    // Only an identity shortcut is changed in place; without one the output is a separate map.
    const overwrites =
      lowering.inPlace &&
      hasShortcut(lowering.block) &&
      !projection &&
      !(lowering.identityStands && readsAhead(branch.slice(layer, last + 1)));
    if (!decidesBetween && !readsRows(branch[layer]!) && !(fusesAdd(lowering, last) && overwrites)) {
      if (fusesAdd(lowering, last)) lowering.prepared = prepareOutput(lowering, owner);
      lowering.stream(owner, last - layer + (carriesPool ? 2 : 1));
      lowering.streamedTo = last + 1;
      return;
    }
    const sentence = 'its convolutions run one after the other, each over all its pixels';
    if (!lowering.together(convolutionName(layer - 1), convolutionName(layer)))
      network.passNote(owner, sentence);
  }
  if (!pools || readsRows(branch[layer]!)) return;
  lowering.prepared = prepareOutput(lowering, owner);
  lowering.stream(owner, 2);
}

/** True when the plan has the projection between two layers: it is then a separate pass, not part of their stream. */
function projectsBetween(lowering: BlockLowering, first: number, second: number): boolean {
  return (
    lowering.block.projection !== undefined &&
    lowering.precedes(convolutionName(first), 'projection') &&
    lowering.precedes('projection', convolutionName(second))
  );
}

/** Rows may lie packed when their reader reads the same pixels, one row for each. */
function mayPack(
  { block, regions, attendedRegion, sequence, adaptive }: BlockLowering,
  layer: number,
): boolean {
  // A spatial attention reads around pixels.
  if (attendedRegion && block.attention?.after === layer) return false;
  const reader = block.branch[layer + 1];
  if (!reader) return sequence.includes('scatter') || adaptive !== undefined;
  return isPointwise(reader) && regions[layer + 1] === regions[layer];
}
