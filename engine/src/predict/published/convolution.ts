import { maximumDensity } from './density.js';
import type { Cost, Machine, Tile } from './tiles.js';
import { ceilEfficiency, once, sectorEfficiency, tiles } from './tiles.js';

/** A convolution as the published formulas take it: "same" padding, output of `floor(height / stride)`, at least 1. */
export interface ConvolutionShape {
  readonly inChannels: number;
  readonly outChannels: number;
  /** INPUT height and width. */
  readonly height: number;
  readonly width: number;
  readonly kernel: number;
  readonly stride: number;
  readonly groups: number;
}

/** Fractions of input and output channels that are active. */
export interface ChannelDensity {
  readonly input: number;
  readonly output: number;
}

/** Output pixels along one axis. A map narrower than the stride, as a small image leaves it, has one. */
const outputExtent = (extent: number, stride: number) => Math.max(1, Math.floor(extent / stride));

const allChannels: ChannelDensity = { input: 1, output: 1 };

const nameOf = (shape: ConvolutionShape) =>
  `${shape.inChannels},${shape.outChannels},${shape.height},${shape.width},${shape.kernel},${shape.stride},${shape.groups}`;

/** Dense convolution, or one that skips channels: LAUDNet simulator, `simulate_conv`. */
export function convolution(machine: Machine, shape: ConvolutionShape, density = allChannels): Cost {
  return once(machine, `convolution ${nameOf(shape)} ${density.input},${density.output}`, () =>
    searchConvolution(machine, shape, density),
  );
}

function searchConvolution(machine: Machine, shape: ConvolutionShape, density: ChannelDensity): Cost {
  const { inChannels, outChannels: C, kernel: k, stride: s, groups } = shape;
  const { batch: b, frequency, lanes, fill, engines, memory, cache, sector, launch } = machine;
  const { input: ic, output: oc } = density;
  const H = outputExtent(shape.height, s);
  const W = outputExtent(shape.width, s);
  const perGroup = inChannels / groups;
  const weightScale = b === 1 ? ic * oc : 1;
  const offChip =
    C * perGroup * k ** 2 * (b === 1 ? oc : 1) + inChannels * H * s * W * s * b * ic + C * H * W * b * oc;
  let best: Cost | undefined;
  for (const ct of tiles(C)) {
    const acrossChannels = Math.ceil(C / ct);
    const active = maximumDensity(acrossChannels, ct, ic * oc, 1);
    const weights = ct * perGroup * k ** 2 * weightScale;
    const inputChannels = Math.ceil(ct / (C / groups)) * perGroup;
    for (const ht of tiles(H)) {
      for (const wt of tiles(W)) {
        const count = acrossChannels * Math.ceil(H / ht) * Math.ceil(W / wt);
        const input = inputChannels * (ht + k - 1) * s * (wt + k - 1) * s;
        const onChip = (weights + input * ic * b + ct * ht * wt * oc * b) * count;
        const moving = offChip / memory + onChip / cache / sectorEfficiency(wt, W - wt, sector);
        const computing =
          ((((ct * ht * wt * perGroup * k ** 2 * b) / (frequency * lanes)) * ic * active) /
            ceilEfficiency(ct * ht * wt, fill)) *
          Math.ceil(count / engines);
        const latency = computing + moving;
        if (!best || latency + launch < best.latency) {
          best = {
            latency: latency + launch,
            compute: computing,
            memory: moving,
            tile: { channels: ct, height: ht, width: wt, count },
          };
        }
      }
    }
  }
  return best!;
}

/** Active patches of a convolution that follows a spatial mask. */
export interface Patches {
  readonly granularity: number;
  /** Fraction of patches that are active; `ceil(rate · patches)` are computed. */
  readonly rate: number;
  /** True when the gather is fused: input is read through indices from the dense map. */
  readonly indexed: boolean;
}

/** Convolution of active patches: LAUDNet simulator, `simulate_dynamic_conv` with a spatial masker. */
export function patchConvolution(machine: Machine, shape: ConvolutionShape, patches: Patches): Cost {
  const { granularity: S, rate, indexed } = patches;
  const total =
    Math.ceil(outputExtent(shape.height, shape.stride) / S) *
    Math.ceil(outputExtent(shape.width, shape.stride) / S);
  const evaluate = patchEvaluator(machine, shape, patches);
  const tile = once(machine, `patches ${nameOf(shape)} ${S},${indexed}`, () =>
    searchPatchTile(shape.outChannels, S, (total + 1) / 2, evaluate),
  );
  const active = Math.ceil(rate * total);
  const { computing, moving } = evaluate(tile.patches!, tile.channels, tile.height, tile.width, active);
  return { latency: computing + moving + machine.launch, compute: computing, memory: moving, tile };
}

type PatchEvaluator = (
  patches: number,
  channels: number,
  height: number,
  width: number,
  count: number,
) => { computing: number; moving: number };

/** The best tile at the mean patch count: the published model compiles one kernel for all inputs. */
function searchPatchTile(outChannels: number, S: number, mean: number, evaluate: PatchEvaluator): Tile {
  let best = Number.POSITIVE_INFINITY;
  let chosen: Tile | undefined;
  for (const pp of tiles(256)) {
    for (const ct of tiles(outChannels)) {
      for (const ht of tiles(S)) {
        for (const wt of tiles(S)) {
          const { computing, moving } = evaluate(pp, ct, ht, wt, mean);
          if (computing + moving >= best) continue;
          best = computing + moving;
          const count = Math.ceil(outChannels / ct) * Math.ceil(S / ht) * Math.ceil(S / wt);
          chosen = { patches: pp, channels: ct, height: ht, width: wt, count };
        }
      }
    }
  }
  return chosen!;
}

/** Time of one tile choice at `n` patches an image. */
function patchEvaluator(
  machine: Machine,
  shape: ConvolutionShape,
  { granularity: S, indexed }: Patches,
): PatchEvaluator {
  const { inChannels, outChannels: C, kernel: k, stride: s, groups, height, width } = shape;
  const { batch: b, frequency, lanes, fill, engines, memory, cache } = machine;
  const perGroup = inChannels / groups;
  const weights = C * perGroup * k ** 2;
  const denseInput = inChannels * outputExtent(height, s) * s * outputExtent(width, s) * s;
  return (pp, ct, ht, wt, n) => {
    const count = Math.ceil(C / ct) * Math.ceil(S / ht) * Math.ceil(S / wt);
    const input = indexed ? denseInput : n * inChannels * ((S + k - 1) * s) ** 2;
    const groupsTouched = Math.ceil(ct / (C / groups));
    const offChip = weights + input * b + n * C * S ** 2 * b;
    const onChip =
      (ct * perGroup * k ** 2 +
        groupsTouched * perGroup * (ht + k - 1) * s * (wt + k - 1) * s * n * b +
        ct * ht * wt * n * b) *
      count;
    const computing =
      ((ct * ht * wt * perGroup * k ** 2 * pp) /
        (frequency * lanes) /
        ceilEfficiency(ct * ht * wt * b * pp, fill)) *
      Math.ceil(n / pp) *
      b *
      Math.ceil(count / engines);
    return { computing, moving: offChip / memory + onChip / cache };
  };
}
