import { decideMask } from '../../mask/decide.js';
import { activeFraction, maskGrid, spreadCells } from '../../mask/geometry.js';
import type { Mask, Masker } from '../../mask/mask.js';
import { adaptivePool } from '../../mask/pool.js';
import { branchRegions, excitationRegion, type Region } from '../../mask/regions.js';
import { convolutionFlops, regionPixels } from '../../network/flops.js';
import type { Block } from '../../network/network.js';
import type { BlockShape } from '../../network/shapes.js';
import type { BlockPlan, Primitive } from '../../plan/plan.js';
import { conv1RunsDense } from '../../plan/validate.js';
import type { MeasuredPass } from '../../run/profile-builder.js';
import { Tensor } from '../../tensor.js';
import { activate } from './activate.js';
import { convolve } from './convolve.js';
import { globalPool } from './pool.js';

export interface BlockReport {
  readonly output: Tensor;
  readonly mask?: Mask;
  readonly passes: readonly MeasuredPass[];
  readonly rate: number;
  readonly dilatedRate: number;
}

/**
 * Runs one block by the letter of its plan: `activation(branch · mask + shortcut)`, the branch computed only
 * where the mask and the convolutions' reach ask for it.
 *
 * @param beforePrimitive called before each primitive; throws to abort
 */
export async function runBlock(
  block: Block,
  shape: BlockShape,
  plan: BlockPlan,
  input: Tensor,
  masker: Masker,
  beforePrimitive: () => Promise<void>,
): Promise<BlockReport> {
  const batch = input.shape[0];
  const state = new BlockState(block, shape, plan, input, masker, batch);
  const passes: MeasuredPass[] = [];
  for (const { primitives } of plan.groups) {
    const started = performance.now();
    let [flops, bytes] = [0, 0];
    for (const primitive of primitives) {
      await beforePrimitive();
      const did = await state.perform(primitive);
      flops += did.flops;
      bytes += did.bytes;
    }
    passes.push({ primitives, ms: performance.now() - started, flops, bytes });
  }
  return state.report(passes);
}

const NOTHING = { flops: 0, bytes: 0 };

class BlockState {
  #values: Tensor;
  #shortcut: Tensor;
  #output: Tensor | undefined;
  #pooled: Float32Array | undefined;
  #mask: Mask | undefined;
  #active: Uint8Array | undefined;
  #regions: Region[];

  constructor(
    readonly block: Block,
    readonly shape: BlockShape,
    readonly plan: BlockPlan,
    readonly input: Tensor,
    readonly masker: Masker,
    readonly batch: number,
  ) {
    this.#values = input;
    this.#shortcut = input;
    this.#regions = block.branch.map(() => 'all');
  }

  async perform(primitive: Primitive): Promise<{ flops: number; bytes: number }> {
    switch (primitive) {
      case 'pool': {
        this.#pooled = adaptivePool(this.input, this.#grid());
        return { flops: 0, bytes: 4 * (this.input.data.length + this.#pooled.length) };
      }
      case 'mask': {
        this.#mask = await decideMask(
          this.masker,
          this.block,
          this.shape,
          this.batch,
          this.plan.granularity,
          (grid) => this.#pooled ?? adaptivePool(this.input, grid),
        );
        const cells = this.#mask.cells.length;
        return this.masker.needsPool
          ? { flops: 2 * cells * this.shape.inChannels, bytes: 4 * cells * this.shape.inChannels }
          : NOTHING;
      }
      case 'index': {
        const { outHeight, outWidth } = this.shape;
        this.#active = spreadCells(this.#mask!.cells, this.#mask!, this.batch, outHeight, outWidth);
        this.#regions = branchRegions(this.block, this.shape, this.#active, this.batch, {
          denseConv1: conv1RunsDense(this.plan),
          excitation: this.plan.excitation,
        });
        return { flops: 0, bytes: this.#active.length };
      }
      case 'conv1':
      case 'conv2':
      case 'conv3': {
        const layer = Number(primitive.slice(4)) - 1;
        const convolution = this.block.branch[layer]!;
        const region = this.#regions[layer]!;
        this.#values = convolve(this.#values, convolution, region);
        const pixels = regionPixels(region, this.batch, this.shape.branch[layer]!);
        return {
          flops: convolutionFlops(convolution, pixels),
          bytes:
            4 * (pixels * (convolution.inChannels + convolution.outChannels) + convolution.weight.length),
        };
      }
      case 'excite':
        return this.#excite();
      case 'projection': {
        const projection = this.block.projection!;
        this.#shortcut = convolve(this.input, projection);
        const pixels = this.#shortcut.data.length / projection.outChannels;
        return {
          flops: convolutionFlops(projection, pixels),
          bytes: 4 * (this.#shortcut.data.length + pixels * projection.inChannels + projection.weight.length),
        };
      }
      case 'add':
        return this.#add();
      case 'gather':
      case 'scatter':
      case 'next-pool':
        // Full-size maps stand in for packed buffers here: there is nothing to move.
        return NOTHING;
    }
  }

  report(passes: readonly MeasuredPass[]): BlockReport {
    const first = this.shape.branch[0]!;
    const pixels = this.batch * first.height * first.width;
    return {
      output: this.#output!,
      ...(this.#mask ? { mask: this.#mask } : {}),
      passes,
      rate: this.#active ? activeFraction(this.#active) : 1,
      dilatedRate: regionPixels(this.#regions[0]!, this.batch, first) / pixels,
    };
  }

  #grid() {
    return maskGrid(this.shape.outHeight, this.shape.outWidth, this.plan.granularity);
  }

  #excite() {
    const { reduce, expand } = this.block.squeezeExcitation!;
    const region = this.#active
      ? excitationRegion(this.block, this.shape, this.#active, this.batch, this.plan.excitation)
      : 'all';
    const scale = convolve(
      convolve(globalPool(this.#values, region === 'all' ? undefined : region), reduce),
      expand,
    );
    const [N, H, W, C] = this.#values.shape;
    const { data } = this.#values;
    for (let i = 0; i < data.length; i++) data[i]! *= scale.data[Math.floor(i / (H * W * C)) * C + (i % C)]!;
    return {
      flops: convolutionFlops(reduce, N) + convolutionFlops(expand, N),
      bytes: 4 * (3 * data.length + reduce.weight.length + expand.weight.length),
    };
  }

  #add() {
    const { activation } = this.block;
    const values = this.#values.data;
    const shortcut = this.#shortcut.data;
    const C = this.shape.outChannels;
    const output = Tensor.zeros(this.#values.shape);
    for (let i = 0; i < values.length; i++) {
      const branch = !this.#active || this.#active[Math.floor(i / C)] ? values[i]! : 0;
      output.data[i] = activate(this.#hasShortcut() ? branch + shortcut[i]! : branch, activation);
    }
    this.#output = output;
    return { flops: 0, bytes: 12 * values.length };
  }

  /** An inverted block that changes shape has no shortcut at all. */
  #hasShortcut(): boolean {
    return this.block.projection !== undefined || this.block.adaptive;
  }
}
