import type { Convolution } from '../../../network/network.js';
import type { Primitive } from '../../../plan/plan.js';
import type { ProgramMask } from '../../../program/program.js';
import type { BlockState } from './block-state.js';
import { beginPooledConv1, lowerMask, lowerNextPool, poolsBehindAdd } from './decision.js';
import type { AdaptiveBlock } from './lowering.js';
import { readsRows } from './lowering.js';
import { isPointwise } from './regions.js';
import { fusesAdd, prepareOutput } from './residual.js';

/** `gather`: a copy of the active cells with their halo, unless the convolution that follows shares its pass. */
export function lowerGather(state: BlockState, { mask }: AdaptiveBlock): void {
  const { lowering, sequence, regions } = state;
  const { builder } = lowering;
  const owner = state.owner('gather');
  const at = sequence.indexOf('gather');
  const following = sequence.slice(at + 1).find((primitive) => primitive.startsWith('conv'))!;
  // The convolution that reads through lists of pixels is the fused form of the two.
  if (state.together('gather', following)) return;
  const layer = Number(following.slice(4)) - 1;
  const convolution = state.block.branch[layer]!;
  const region = regions[layer];
  const dilated = convolution.dilation[0] !== 1 || convolution.dilation[1] !== 1;
  const source = state.values;
  if (
    !region ||
    region !== state.activeRegion ||
    dilated ||
    readsRows(convolution) ||
    source.map.layout.kind !== 'map'
  ) {
    lowering.passNote(owner, 'nothing is copied: the convolution reads through pixel lists');
    return;
  }
  const halo = builder.halo(region, convolution);
  const destination = builder.map([1, 1, haloRows(mask, convolution), convolution.inChannels], {
    kind: 'halo',
    halo,
  });
  builder.emit(owner, { kind: 'gather', source: source.map, destination });
  state.values = { map: destination, region: source.region };
}

/** Rows that all cells of a mask take with their halo: what `gather` needs room for. */
function haloRows(mask: ProgramMask, { kernel, stride }: Convolution): number {
  const along = (cells: number, size: number, axis: 0 | 1) =>
    (size - cells) * stride[axis] + cells * kernel[axis];
  return mask.batch * along(mask.rows, mask.height, 0) * along(mask.columns, mask.width, 1);
}

/** `conv1`, `conv2`, `conv3`: the branch's convolution `layer`, with the add where they share a pass. */
export function lowerConvolution(state: BlockState, layer: number): void {
  const { lowering, shape, block, values: source } = state;
  const owner = state.owner(`conv${layer + 1}` as Primitive);
  const convolution = block.branch[layer]!;
  const region = state.regions[layer];
  const where = region ? { region } : {};
  const next = fusesAdd(state, layer) ? poolsBehindAdd(state) : undefined;
  const { waiting } = state;
  if (waiting !== 'nothing') {
    state.waiting = 'nothing';
    beginPooledConv1(state, state.adaptive!);
  } else {
    beginStream(state, layer, next !== undefined);
  }
  if (fusesAdd(state, layer)) {
    const output = state.prepared ?? prepareOutput(state, owner);
    lowering.convolve(owner, convolution, source.map, output, {
      ...where,
      ...(state.hasShortcut ? { residual: state.shortcut } : {}),
      activation: block.activation,
    });
    state.output = output;
    if (next) lowerNextPool(state, output);
  } else {
    const { height, width } = shape.branch[layer]!;
    const map = lowering.builder.map(
      [lowering.batch, height, width, convolution.outChannels],
      region && mayPack(state, layer) ? { kind: 'packed', region } : { kind: 'map' },
    );
    lowering.convolve(owner, convolution, source.map, map, where);
    state.values = { map, region };
  }
  if (waiting === 'pool and mask') lowerMask(state, state.adaptive!);
}

/**
 * Streams the convolutions that follow each other in one group, when `layer` is the first of them, and with
 * them the next block's pool when the last one carries the add. By itself, the last one streams with the pool.
 */
function beginStream(state: BlockState, layer: number, pools: boolean): void {
  const { lowering } = state;
  const { branch, squeezeExcitation, projection } = state.block;
  const name = (position: number) => `conv${position + 1}` as Primitive;
  const owner = state.owner(name(layer));
  if (layer < state.streamedTo) return;
  let last = layer;
  while (
    last + 1 < branch.length &&
    squeezeExcitation?.after !== last &&
    state.together(name(layer), name(last + 1))
  ) {
    last++;
  }
  const carriesPool = fusesAdd(state, last) && poolsBehindAdd(state) !== undefined;
  if (last > layer) {
    const decidesBetween = state.precedes(name(layer), 'index');
    const overwrites =
      state.inPlace && !projection && !(state.identityStands && readsAhead(branch.slice(layer, last + 1)));
    if (!decidesBetween && !readsRows(branch[layer]!) && !(fusesAdd(state, last) && overwrites)) {
      if (fusesAdd(state, last)) state.prepared = prepareOutput(state, owner);
      lowering.builder.stream(owner, last - layer + (carriesPool ? 2 : 1));
      state.streamedTo = last + 1;
      return;
    }
    const sentence = 'its convolutions run one after the other, each over all its pixels';
    if (!state.together(name(layer - 1), name(layer))) lowering.passNote(owner, sentence);
  }
  if (!pools || readsRows(branch[layer]!)) return;
  state.prepared = prepareOutput(state, owner);
  lowering.builder.stream(owner, 2);
}

/**
 * True when, in a stream of these convolutions, the last may write over what the first reads: every row that it
 * writes needs as many rows beyond it as those in between reach, and the first goes on behind them.
 */
function readsAhead(convolutions: readonly Convolution[]): boolean {
  const [first, ...rest] = convolutions;
  const reach = rest.reduce(
    (rows, { kernel, dilation, padding }) => rows + (kernel[0] - 1) * dilation[0] - padding[0],
    -first!.padding[0],
  );
  return reach >= 0 && convolutions.every(({ stride }) => stride[0] === 1);
}

/** Rows may lie packed when whoever reads them reads the same pixels, one row for each. */
function mayPack({ block, regions, sequence, adaptive }: BlockState, layer: number): boolean {
  const reader = block.branch[layer + 1];
  if (!reader) return sequence.includes('scatter') || adaptive !== undefined;
  return isPointwise(reader) && regions[layer + 1] === regions[layer];
}

/** `excite`: pool, two linear layers and a scale for each channel, over what the plan pools over. */
export function lowerExcitation(state: BlockState): void {
  const { lowering, block, values } = state;
  const { after, reduce, expand } = block.squeezeExcitation!;
  const { map, region } = values;
  // What follows only reads its own pixels: the others need no scaling.
  const reader = block.branch[after + 1];
  const readRegion = region ?? (reader && isPointwise(reader) ? state.regions[after + 1] : undefined);
  lowering.builder.emit(state.owner('excite'), {
    kind: 'excite',
    map,
    reduce,
    expand,
    ...(region ? { pooledOver: region } : {}),
    ...(readRegion ? { scaled: readRegion } : {}),
  });
}
