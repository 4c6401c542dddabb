import { convolution, patchConvolution } from './convolution.js';
import { add, averagePool, scatterAdd } from './movement.js';
import type { Cost, Machine } from './tiles.js';
import { sum } from './tiles.js';
import { excitation, fullyConnected, patchExcitation } from './vectors.js';

/** A bottleneck block as the published example script describes it. */
export interface PublishedBlock {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Channels of the 3x3 convolution. */
  readonly width: number;
  /** INPUT map. */
  readonly height: number;
  readonly mapWidth: number;
  readonly groups: number;
  readonly stride: number;
  /** Width of the squeeze-and-excitation bottleneck; 0 for none. */
  readonly squeeze: number;
}

const pointwise = (inChannels: number, outChannels: number, height: number, width: number, stride = 1) => ({
  inChannels,
  outChannels,
  height,
  width,
  kernel: 1,
  stride,
  groups: 1,
});

function shapes({ inChannels, outChannels, width: w, height, mapWidth, groups, stride }: PublishedBlock) {
  const outHeight = Math.floor(height / stride);
  const outWidth = Math.floor(mapWidth / stride);
  return {
    conv1: pointwise(inChannels, w, height, mapWidth),
    conv2: { inChannels: w, outChannels: w, height, width: mapWidth, kernel: 3, stride, groups },
    conv3: pointwise(w, outChannels, outHeight, outWidth),
    projection: pointwise(inChannels, outChannels, height, mapWidth, stride),
    inner: { channels: w, height: outHeight, width: outWidth },
    output: { channels: outChannels, height: outHeight, width: outWidth },
  };
}

/** The shortcut's convolution; like the original, only a block that changes resolution has one. */
function projection(machine: Machine, block: PublishedBlock): readonly Cost[] {
  return block.stride === 2 ? [convolution(machine, shapes(block).projection)] : [];
}

/** Every operator dense. */
export function staticBlock(machine: Machine, block: PublishedBlock): Cost {
  return sum(denseBranch(machine, block), ...projection(machine, block));
}

/** The dense block without its shortcut's convolution. */
function denseBranch(machine: Machine, block: PublishedBlock): Cost {
  const { conv1, conv2, conv3, inner, output } = shapes(block);
  return sum(
    convolution(machine, conv1),
    convolution(machine, conv2),
    convolution(machine, conv3),
    add(machine, output),
    ...(block.squeeze ? [excitation(machine, inner, block.squeeze)] : []),
  );
}

/** Masker and first convolution: one dense pass, or a dense masker and a sparse convolution if faster. */
export function maskerConvolution(
  machine: Machine,
  shape: { inChannels: number; outChannels: number; height: number; width: number },
  patches: { granularity: number; rate: number },
): Cost {
  const { inChannels, outChannels, height, width } = shape;
  const fused = convolution(machine, pointwise(inChannels, outChannels + 1, height, width));
  const separate = sum(
    convolution(machine, pointwise(inChannels, 2, height, width)),
    patchConvolution(machine, pointwise(inChannels, outChannels, height, width), {
      ...patches,
      indexed: true,
    }),
  );
  return fused.latency <= separate.latency ? fused : separate;
}

/** Fused masker+conv1, gather+conv2, conv3, scatter+add at one rate for all convolutions. */
export function spatialBlock(
  machine: Machine,
  block: PublishedBlock,
  patches: { granularity: number; rate: number },
): Cost {
  const { conv1, conv2, conv3, inner, output } = shapes(block);
  return sum(
    maskerConvolution(machine, conv1, patches),
    patchConvolution(machine, conv2, { ...patches, indexed: true }),
    patchConvolution(machine, conv3, { ...patches, indexed: false }),
    scatterAdd(machine, output, patches),
    ...projection(machine, block),
    ...(block.squeeze ? [patchExcitation(machine, inner, block.squeeze, patches)] : []),
  );
}

/** Expected time when the whole block is skipped with probability `1 − rate`. */
export function layerBlock(machine: Machine, block: PublishedBlock, rate: number): Cost {
  const { conv1 } = shapes(block);
  const decision = convolution(
    machine,
    { ...conv1, outChannels: conv1.outChannels + 1 },
    { input: 1, output: 0 },
  );
  const fixed = sum(decision, ...projection(machine, block));
  const dense = denseBranch(machine, block);
  const scaled = (part: number | null) => (part === null ? null : rate * part);
  return sum(fixed, {
    latency: rate * dense.latency,
    compute: scaled(dense.compute),
    memory: scaled(dense.memory),
  });
}

/** Channel skipping at density `rate`, channels decided in groups of `granularity`. */
export function channelBlock(
  machine: Machine,
  block: PublishedBlock,
  { granularity, rate }: { granularity: number; rate: number },
): Cost {
  const { conv1, conv2, conv3, output } = shapes(block);
  const decisions = Math.floor(block.inChannels / granularity);
  const hidden = Math.max(Math.floor(decisions / 16), 1);
  const masker = sum(
    averagePool(machine, { channels: block.inChannels, height: block.height, width: block.mapWidth }, 1, 1),
    fullyConnected(machine, block.inChannels, hidden),
    fullyConnected(machine, hidden, decisions),
  );
  return sum(
    masker,
    convolution(machine, conv1, { input: 1, output: rate }),
    convolution(machine, { ...conv2, groups: 1 }, { input: rate, output: rate }),
    convolution(machine, conv3, { input: rate, output: 1 }),
    scatterAdd(machine, output, { granularity: 1, rate: 1 }),
    ...projection(machine, block),
  );
}
