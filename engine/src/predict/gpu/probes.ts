import { encodeConvolution } from '../../backends/webgpu/encode-convolution.js';
import { encodeFusion } from '../../backends/webgpu/encode-fusion.js';
import { PIXELS_EACH } from '../../backends/webgpu/kernels/direct.js';
import { FUSION_TILES } from '../../backends/webgpu/kernels/fusion.js';
import { TILES } from '../../backends/webgpu/kernels/gemm.js';
import type { Family, Launch } from '../../backends/webgpu/launch.js';
import { noLists, probeConvolution } from '../../backends/webgpu/probe.js';
import { VARIANTS } from '../../backends/webgpu/variants.js';
import { NetworkBuilder } from '../../network/built/layers.js';

/** Kernels of a family as calibration times them. */
export interface Probe {
  readonly family: Family;
  /** The work of one workgroup. */
  readonly one: () => Launch;
  /** That of several times `2 ** doubling` workgroups. */
  readonly many: (doubling: number) => Launch;
}

const build = new NetworkBuilder('probe', { seed: 3, inputSize: 32 }, 1);

/** Sides of a map of so many pixels or a few more. */
function sidesOf(pixels: number): readonly [height: number, width: number] {
  const width = 2 ** Math.ceil(Math.log2(pixels) / 2);
  return [Math.ceil(pixels / width), width];
}

const convolutions = Object.entries(VARIANTS).flatMap(([name, variants]) =>
  variants.map((variant): Probe => {
    const method = name as keyof typeof VARIANTS;
    const { family } = variant;
    const launch = (pixels: number, channels: number) => {
      const inChannels = method === 'gemm' ? 64 : channels;
      const groups = { gemm: 1, depthwise: channels, grouped: channels / 16, mixed: channels / 6 }[method];
      const convolution = build.convolution(family, inChannels, channels, { kernel: 3, groups });
      return encodeConvolution(probeConvolution(convolution, ...sidesOf(pixels)), noLists, variant);
    };
    const tile =
      variant.kind === 'squares'
        ? { rows: variant.side ** 2, channels: variant.channels }
        : TILES.find((one) => one.family === family);
    const each = variant === VARIANTS.depthwise[1] ? PIXELS_EACH : 1;
    const [pixels, channels] = tile ? [tile.rows, tile.channels] : [16 * each, method === 'mixed' ? 60 : 64];
    return {
      family,
      one: () => launch(pixels, channels),
      many: (doubling) => launch(pixels * 2 ** doubling, 4 * channels),
    };
  }),
);

/** Channels between the convolutions of a fusion: every tile has room for them in the memory that WebGPU promises. */
const BETWEEN = { rows: 16, squares: 8 } as const;

const fusions = FUSION_TILES.map((tile): Probe => {
  const launch = (pixels: number) => {
    const sides = sidesOf(pixels);
    if (tile.side !== undefined) {
      const head = probeConvolution(build.convolution('head', 64, BETWEEN.squares, { kernel: 1 }), ...sides);
      const next = build.convolution('core', BETWEEN.squares, 64, { kernel: 3 });
      const core = probeConvolution(next, ...sides, head.destination);
      return encodeFusion({ operations: [head, core], head, core }, noLists, tile);
    }
    const core = probeConvolution(build.convolution('core', 64, BETWEEN.rows, { kernel: 3 }), ...sides);
    const last = build.convolution('tail', BETWEEN.rows, 64, { kernel: 1 });
    const tail = probeConvolution(last, ...sides, core.destination);
    return encodeFusion({ operations: [core, tail], core, tail }, noLists, tile);
  };
  return {
    family: tile.family,
    one: () => launch(tile.rows),
    many: (doubling) => launch(4 * tile.rows * 2 ** doubling),
  };
});

/** A probe for every family. */
export const probes: readonly Probe[] = [...convolutions, ...fusions];
