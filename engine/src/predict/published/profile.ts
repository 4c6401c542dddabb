import { FoveaError } from '../../errors.js';
import { attentionFlops, convolutionFlops, denseBlockFlops } from '../../network/flops.js';
import type { Block, Network } from '../../network/network.js';
import type { BlockShape } from '../../network/shapes.js';
import type { NetworkShapes } from '../../network/walk.js';
import type { BlockPlan, Plan, Primitive } from '../../plan/plan.js';
import { conv1RunsDense, convolutionName, layerOf } from '../../primitives/primitive.js';
import type { Profile } from '../../profile.js';
import { type PredictedPass, PredictedProfile } from '../assemble.js';
import type { Setting } from '../options.js';
import type { MaskKnowledge } from '../program-cost/profile.js';
import { maskerConvolution } from './block.js';
import { type ConvolutionShape, convolution, patchConvolution } from './convolution.js';
import { add, averagePool, gather, scatter, scatterAdd } from './movement.js';
import type { Cost, Machine } from './tiles.js';
import { machineOf } from './tiles.js';
import { excitation, patchExcitation } from './vectors.js';

/**
 * Predicts a plan with the published formulas, group by group: each group is costed as the published
 * operator that fuses the same primitives, and groups that the simulator has no operator for as the sum of
 * their parts with a single launch. Like the published totals it covers residual blocks only, and of their
 * shortcuts only those that change the resolution.
 *
 * @throws FoveaError `unsupported` for a plan with a rewrite, which the formulas know nothing of
 */
export function publishedProfile(
  network: Network,
  plan: Plan,
  shapes: NetworkShapes,
  setting: Setting,
  known: MaskKnowledge,
): Profile {
  const machine = machineOf(setting.device, setting.batch);
  const profile = new PredictedProfile(network, plan, 'published', setting);
  profile.note('published model: residual blocks only; stem, head and index building are not counted');
  for (const node of network.nodes) {
    if (node.kind !== 'block') continue;
    const { block } = node;
    const blockPlan = plan.blocks[block.index]!;
    if (blockPlan.rewrite) {
      throw new FoveaError(
        'unsupported',
        `rewrite "${blockPlan.rewrite.name}" of block "${block.name}": the published formulas are of groups of primitives; cost model 'fovea' is accepted`,
      );
    }
    const shape = shapes.blocks[block.index]!;
    const mask = known.masks?.find((candidate) => candidate.block === block.index);
    const rate = mask
      ? mask.cells.reduce((sum, cell) => sum + cell, 0) / mask.cells.length
      : known.rates[block.index]!;
    const dense = blockPlan.mode === 'dense';
    profile.addBlock(block, blockPlan, {
      passes: blockPasses(machine, block, shape, blockPlan, dense ? 1 : rate),
      rate: dense ? 1 : rate,
      dilatedRate: dense || conv1RunsDense(blockPlan) ? 1 : rate,
      denseFlops: denseBlockFlops(block, shape, setting.batch),
    });
  }
  return profile.finish();
}

const free: Cost = { latency: 0, compute: 0, memory: 0 };

/** Costs the primitives of one block, looking at which of them share a group. */
class PublishedGroups {
  private readonly patches: { readonly granularity: number; readonly rate: number };
  /** True when one decision covers the whole map. */
  readonly layer: boolean;

  constructor(
    private readonly machine: Machine,
    private readonly block: Block,
    private readonly shape: BlockShape,
    private readonly plan: BlockPlan,
    rate: number,
  ) {
    const whole = Math.max(shape.outHeight, shape.outWidth);
    this.patches = { granularity: Math.min(plan.granularity, whole), rate };
    this.layer = plan.mode === 'adaptive' && plan.granularity >= whole;
  }

  cost(group: readonly Primitive[]): Cost[] {
    return this.layer ? group.map((primitive) => this.layerCost(primitive)) : this.spatialCost(group);
  }

  /** One decision for the whole map: the decision itself, then the dense block in `rate` of the cases. */
  private layerCost(primitive: Primitive): Cost {
    const expected = ({ latency, compute, memory }: Cost): Cost => ({
      latency: this.patches.rate * latency,
      compute: compute === null ? null : this.patches.rate * compute,
      memory: memory === null ? null : this.patches.rate * memory,
    });
    const layer = layerOf(primitive);
    if (layer !== undefined) return expected(convolution(this.machine, this.convolutionShape(layer)));
    switch (primitive) {
      case 'mask': {
        const { outChannels, ...shape } = this.convolutionShape(0);
        return convolution(
          this.machine,
          { ...shape, kernel: 1, stride: 1, groups: 1, outChannels: outChannels + 1 },
          { input: 1, output: 0 },
        );
      }
      case 'excite':
        return expected(excitation(this.machine, this.excited, this.squeeze));
      case 'add':
        return expected(add(this.machine, this.output));
      case 'projection':
        return this.projection();
      default:
        return free;
    }
  }

  private spatialCost(group: readonly Primitive[]): Cost[] {
    const fusedMasker = group.includes('mask') && group.includes('conv1');
    return group.map((primitive) => {
      const layer = layerOf(primitive);
      if (layer !== undefined && layer > 0) return this.branch(layer, group);
      switch (primitive) {
        case 'mask':
          return fusedMasker
            ? free
            : convolution(this.machine, {
                ...this.convolutionShape(0),
                kernel: 1,
                stride: 1,
                groups: 1,
                outChannels: 2,
              });
        case 'conv1':
          return fusedMasker
            ? maskerConvolution(this.machine, this.convolutionShape(0), this.patches)
            : this.branch(0, group);
        case 'gather':
          return this.gather(group);
        case 'scatter':
          return group.includes('add') ? free : scatter(this.machine, this.output, this.patches);
        case 'add':
          return group.includes('scatter')
            ? scatterAdd(this.machine, this.output, this.patches)
            : add(this.machine, this.output);
        case 'excite':
          return this.excite();
        case 'projection':
          return this.projection();
        case 'next-pool':
          return averagePool(this.machine, this.output, 1, 1);
        // The published masker reads the full map without a pool, and its index lists cost nothing.
        default:
          return free;
      }
    });
  }

  private get output() {
    return { channels: this.shape.outChannels, height: this.shape.outHeight, width: this.shape.outWidth };
  }

  private convolutionShape(i: number): ConvolutionShape {
    const { inChannels, outChannels, kernel, stride, groups } = this.block.branch[i]!;
    const before =
      i > 0 ? this.shape.branch[i - 1]! : { height: this.shape.inHeight, width: this.shape.inWidth };
    return { inChannels, outChannels, ...before, kernel: kernel[0], stride: stride[0], groups };
  }

  private branch(i: number, group: readonly Primitive[]): Cost {
    const shape = this.convolutionShape(i);
    if (this.plan.mode === 'dense' || (i === 0 && conv1RunsDense(this.plan)))
      return convolution(this.machine, shape);
    const gatheredBefore = !group.includes('gather') && shape.kernel > 1;
    const indexed = i === 0 || (shape.kernel > 1 && !gatheredBefore);
    return patchConvolution(this.machine, shape, { ...this.patches, indexed });
  }

  private gather(group: readonly Primitive[]): Cost {
    const i = this.block.branch.findIndex(({ kernel }) => kernel[0] > 1);
    if (i < 0 || group.includes(convolutionName(i))) return free;
    const { inChannels, height, width, kernel } = this.convolutionShape(i);
    return gather(
      this.machine,
      { channels: inChannels, height, width },
      {
        ...this.patches,
        halo: (kernel - 1) / 2,
      },
    );
  }

  private get excited() {
    const { after } = this.block.attention!;
    const { height, width } = this.shape.branch[after]!;
    return { channels: this.block.branch[after]!.outChannels, height, width };
  }

  /** Channels between the two linear layers; attention without them costs next to nothing there. */
  private get squeeze() {
    return this.block.attention!.reduce?.outChannels ?? 1;
  }

  private excite(): Cost {
    return this.plan.mode === 'dense'
      ? excitation(this.machine, this.excited, this.squeeze)
      : patchExcitation(this.machine, this.excited, this.squeeze, this.patches);
  }

  private projection(): Cost {
    const { inChannels, outChannels, kernel, stride, groups } = this.block.projection!;
    if (stride[0] === 1) return free;
    const { inHeight: height, inWidth: width } = this.shape;
    return convolution(this.machine, {
      inChannels,
      outChannels,
      height,
      width,
      kernel: kernel[0],
      stride: stride[0],
      groups,
    });
  }
}

function blockPasses(
  machine: Machine,
  block: Block,
  shape: BlockShape,
  plan: BlockPlan,
  rate: number,
): PredictedPass[] {
  const groups = new PublishedGroups(machine, block, shape, plan, rate);
  return plan.groups.map(({ primitives }) => {
    const costs = groups.cost(primitives);
    const launches = costs.filter((cost) => cost !== free);
    const latency = launches.reduce((sum, cost) => sum + cost.latency, 0);
    const memory = launches.reduce((sum, cost) => sum + (cost.memory ?? 0), 0);
    const compute = launches.reduce((sum, cost) => sum + (cost.compute ?? 0), 0);
    // Squeeze-and-excitation comes without a split; what is left of it after its launches is data movement.
    const unsplit = launches.reduce((sum, cost) => sum + (cost.compute === null ? cost.latency : 0), 0);
    const overhead = latency - memory - compute - unsplit;
    // In the published static and layer figures every operator is launched separately.
    const saved =
      groups.layer || plan.mode === 'dense' ? 0 : Math.max(0, launches.length - 1) * machine.launch;
    return {
      primitives,
      computeMs: compute * 1e3,
      dataMs: (memory + unsplit) * 1e3,
      overheadMs: Math.max(0, overhead - saved) * 1e3,
      flops: flopsOf(primitives, block, shape, plan, rate, machine.batch),
      bytes: 0,
    };
  });
}

function flopsOf(
  primitives: readonly Primitive[],
  block: Block,
  shape: BlockShape,
  plan: BlockPlan,
  rate: number,
  batch: number,
): number {
  let flops = 0;
  for (const primitive of primitives) {
    if (primitive === 'projection') {
      flops += convolutionFlops(block.projection!, batch * shape.outHeight * shape.outWidth);
    }
    if (primitive === 'excite') {
      const { height, width } = shape.branch[block.attention!.after]!;
      const { outChannels: channels } = block.branch[block.attention!.after]!;
      flops += batch * attentionFlops(block.attention!, { channels, pixels: height * width });
    }
    const i = layerOf(primitive);
    if (i === undefined) continue;
    const map = shape.branch[i]!;
    const share = plan.mode === 'dense' || (i === 0 && conv1RunsDense(plan)) ? 1 : rate;
    flops += share * convolutionFlops(block.branch[i]!, batch * map.height * map.width);
  }
  return flops;
}
