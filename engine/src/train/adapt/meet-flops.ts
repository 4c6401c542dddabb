import { customMasker } from '../../mask/custom.js';
import type { Masker } from '../../mask/mask.js';
import { decisionFlops } from '../../mask/rule.js';
import { blocksOf, type Network } from '../../network/network.js';
import type { NetworkRunOptions } from '../../run/options.js';
import { run } from '../../run/run.js';
import { Tensor } from '../../tensor.js';

/** How images are run. */
export interface BatchOptions {
  /** Images at once. */
  readonly batch: number;
  readonly threads: number;
  readonly signal?: AbortSignal;
}

/** A network's answers to images, and what its masks leave on them. */
export interface BatchedRun {
  /** One output a batch. */
  readonly outputs: readonly Tensor[];
  /** Multiply-adds relative to the dense network's, with those of deciding by learned maskers. */
  readonly flops: number;
  /** Active share of the cells, by block. */
  readonly rates: ReadonlyMap<number, number>;
}

/** Runs a network over images, a batch at a time, by masks that its learned maskers could have decided. */
export async function runBatches(
  network: Network,
  { shape: [count, H, W, C], data }: Tensor,
  masks: NetworkRunOptions,
  { batch, threads, signal }: BatchOptions,
): Promise<BatchedRun> {
  const plane = H * W * C;
  const outputs: Tensor[] = [];
  const rates = new Map<number, number>();
  const channels = blocksOf(network).map(({ branch }) => branch[0]!.inChannels);
  let [used, avoided] = [0, 0];
  for (let first = 0; first < count; first += batch) {
    const size = Math.min(batch, count - first);
    const part = new Tensor([size, H, W, C], data.subarray(first * plane, (first + size) * plane));
    const result = await run(network, part, { ...masks, threads, ...(signal ? { signal } : {}) });
    outputs.push(result.output);
    used += result.profile.flops;
    avoided += result.profile.flopsAvoided;
    for (const { block, cells } of result.masks) {
      const deciding = decisionFlops(cells.length, channels[block]!);
      used += deciding;
      avoided -= deciding;
      const active = cells.reduce((sum, cell) => sum + cell, 0) / cells.length;
      rates.set(block, (rates.get(block) ?? 0) + (active * size) / count);
    }
  }
  return { outputs, flops: used / (used + avoided), rates };
}

/** Close enough to the FLOPs asked for. */
const tolerance = 1e-3;

/**
 * Finds by how much all margins are to be shifted alike, so that the masks leave the FLOPs asked for, to within a
 * thousandth where cells allow, and what the network answers then.
 * @param network with a masker in every adaptive block
 * @param learned whether a block's margins are shifted; other blocks are computed everywhere
 */
export async function meetFlops(
  network: Network,
  learned: (block: number) => boolean,
  images: Tensor,
  target: number,
  options: BatchOptions,
): Promise<BatchedRun & { readonly shift: number }> {
  const at = async (shift: number) => {
    const found = await runBatches(network, images, { masker: shiftedMasker(learned, shift) }, options);
    return { ...found, shift, excess: found.flops - target };
  };
  let here = await at(0);
  let best = here;
  const better = (found: typeof here) => {
    if (Math.abs(found.excess) < Math.abs(best.excess)) best = found;
    return found;
  };
  const met = () => Math.abs(best.excess) <= tolerance;
  // Steps that double until the target lies between two, as wide as any margin that learning leaves; then halving.
  let other = here;
  for (let step = 0.25; step <= 16 && !met() && here.excess * other.excess >= 0; step *= 2) {
    here = other;
    other = better(await at(here.excess > 0 ? -step : step));
  }
  for (let i = 0; i < 8 && !met(); i++) {
    const middle = better(await at((here.shift + other.shift) / 2));
    if (middle.excess * here.excess > 0) here = middle;
    else other = middle;
  }
  return best;
}

/** Decides by every block's own masker, the margins shifted. */
function shiftedMasker(learned: (block: number) => boolean, shift: number): Masker {
  return customMasker(({ block, pooled, batch, rows, columns }) => {
    const margins = new Float32Array(batch * rows * columns);
    if (!learned(block.index)) return margins.fill(1);
    const { weight, bias } = block.masker!;
    const C = weight.length;
    return margins.map((_, cell) => {
      let margin = bias + shift;
      for (let c = 0; c < C; c++) margin += weight[c]! * pooled[cell * C + c]!;
      return margin;
    });
  });
}
