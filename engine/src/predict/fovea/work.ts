import { maskGrid } from '../../mask/geometry.js';
import { decisionFlops } from '../../mask/rule.js';
import { convolutionFlops } from '../../network/flops.js';
import type { Block, Convolution } from '../../network/network.js';
import type { BlockShape } from '../../network/shapes.js';
import type { BlockPlan, Primitive } from '../../plan/plan.js';
import { firstSpatial } from '../../plan/strategies.js';
import { conv1RunsDense } from '../../primitives/primitive.js';
import type { Coverage } from './coverage.js';

/** A convolution as matrix products: `groups` times `rows x inner` by `inner x columns`. */
export interface MatrixWork {
  /** Output pixels computed, whole batch; a fraction when it is an expectation. */
  readonly rows: number;
  /** Taps times input channels of a group. */
  readonly inner: number;
  /** Output channels of a group. */
  readonly columns: number;
  readonly groups: number;
  /** Kernel positions: 9 for a 3x3. */
  readonly taps: number;
  /** True when rows are reached through lists of active pixels. */
  readonly indexed: boolean;
}

/** Bytes of one tensor that a primitive reads or writes. */
export interface Access {
  readonly tensor: string;
  readonly bytes: number;
  /** Length of one contiguous run, bytes. */
  readonly run: number;
}

/** One primitive of a pass: what it computes and what it moves. */
export interface PrimitiveWork {
  readonly primitive: Primitive | 'node';
  readonly flops: number;
  /** Element-wise operations that are not multiply-adds. */
  readonly elements: number;
  readonly matrix?: MatrixWork;
  readonly reads: readonly Access[];
  readonly writes: readonly Access[];
  readonly weightBytes: number;
}

/** A pass over memory: the primitives of one group, executed together. */
export interface PassWork {
  readonly primitives: readonly Primitive[];
  readonly parts: readonly PrimitiveWork[];
  readonly adaptive: boolean;
}

const float = 4;

/** What has to be known of a block to say what its plan does. */
export interface BlockWork {
  readonly block: Block;
  readonly shape: BlockShape;
  readonly batch: number;
  readonly plan: Pick<BlockPlan, 'mode' | 'groups' | 'granularity' | 'excitation'>;
  readonly coverage: Coverage;
  /** Cells and channels of the next block's grid, for `next-pool`. */
  readonly next?: { readonly cells: number };
  /** Whether the mask is computed by a rule; where nothing is said, it is if the plan pools for it. */
  readonly decides?: boolean;
}

/** Whether the block's mask is computed by a rule, rather than there already. */
export function decidesMask({ decides, plan }: BlockWork): boolean {
  return decides ?? plan.groups.some(({ primitives }) => primitives.includes('pool'));
}

/** The passes of a block's plan with their work; any grouping of primitives will do. */
export function blockPasses(given: BlockWork): PassWork[] {
  const { plan } = given;
  const state = new Tensors(given);
  return plan.groups.map(({ primitives }) => ({
    primitives,
    parts: primitives.map((primitive) => state.work(primitive, primitives)),
    adaptive: plan.mode === 'adaptive',
  }));
}

/** Fraction of each branch convolution's output that this plan computes. */
export function computedCoverage({ block, plan, coverage }: BlockWork): number[] {
  if (plan.mode === 'dense') return block.branch.map(() => 1);
  const everywhere =
    block.squeezeExcitation && plan.excitation === 'exact' ? block.squeezeExcitation.after : -1;
  const dense = conv1RunsDense(plan);
  return coverage.branch.map((share, i) => (i <= everywhere || (i === 0 && dense) ? 1 : share));
}

/** Follows the values of a block from primitive to primitive. */
class Tensors {
  private readonly shares: readonly number[];
  private readonly spatial: number;
  private readonly pixels: number;
  private readonly outPixels: number;
  private readonly outChannels: number;
  private gathered = false;

  constructor(private readonly given: BlockWork) {
    const { block, shape, batch } = given;
    this.shares = computedCoverage(given);
    this.spatial = firstSpatial(block);
    this.pixels = batch * shape.inHeight * shape.inWidth;
    this.outPixels = batch * shape.outHeight * shape.outWidth;
    this.outChannels = shape.outChannels;
  }

  work(primitive: Primitive, group: readonly Primitive[]): PrimitiveWork {
    switch (primitive) {
      case 'pool':
        return this.pool();
      case 'mask':
        return this.mask();
      case 'index':
        return this.index();
      case 'gather':
        return this.gather(group);
      case 'conv1':
        return this.branch(0);
      case 'conv2':
        return this.branch(1);
      case 'conv3':
        return this.branch(2);
      case 'excite':
        return this.excite();
      case 'projection':
        return this.projection();
      case 'scatter':
        return this.scatter(group);
      case 'add':
        return this.add(group);
      case 'next-pool':
        return this.nextPool();
    }
  }

  private get cells(): number {
    const { shape, plan, batch } = this.given;
    const { rows, columns } = maskGrid(shape.outHeight, shape.outWidth, plan.granularity);
    return batch * rows * columns;
  }

  private pool(): PrimitiveWork {
    const C = this.given.shape.inChannels;
    return moving(
      'pool',
      this.pixels * C,
      [access('input', this.pixels * C, C)],
      [access('pooled', this.cells * C, C)],
    );
  }

  private mask(): PrimitiveWork {
    if (!decidesMask(this.given)) return moving('mask', 0, [], []);
    const C = this.given.shape.inChannels;
    return {
      primitive: 'mask',
      flops: decisionFlops(this.cells, C),
      elements: this.cells,
      reads: [access('pooled', this.cells * C, C)],
      writes: [access('cells', this.cells, this.cells)],
      weightBytes: C * float,
    };
  }

  /** Lists of active and dilated pixels: the mask spread over the pixels, then compacted. */
  private index(): PrimitiveWork {
    const { shape, batch } = this.given;
    const first = shape.branch[0]!;
    const pixels = this.outPixels + batch * first.height * first.width;
    const listed =
      this.given.coverage.rate * this.outPixels +
      (this.given.coverage.branch[0] ?? 0) * batch * first.height * first.width;
    return moving('index', pixels, [access('cells', this.cells, this.cells)], [access('lists', listed, 64)]);
  }

  /** Rows of the spatial convolution's input copied, each cell with its halo. */
  private gather(group: readonly Primitive[]): PrimitiveWork {
    const { block } = this.given;
    const convolution = block.branch[this.spatial];
    const spatialName = `conv${this.spatial + 1}` as Primitive;
    if (!convolution || group.includes(spatialName)) return moving('gather', 0, [], []);
    this.gathered = true;
    const C = convolution.inChannels;
    const copied = this.inputShare(this.spatial) * this.inputPixels(this.spatial) * C;
    return moving(
      'gather',
      copied,
      [access(this.inputName(this.spatial), copied, C)],
      [access('gathered', copied, C)],
    );
  }

  private inputName(i: number): string {
    if (i === this.spatial && this.gathered) return 'gathered';
    return i === 0 ? 'input' : `conv${i}`;
  }

  /** Share of convolution i's input map that it reads. */
  private inputShare(i: number): number {
    if (i > 0) {
      const later = this.given.coverage.branch[i - 1] ?? 1;
      return this.shares[i] === 1 ? 1 : Math.min(later, this.shares[i - 1]!);
    }
    return this.shares[0]!;
  }

  private inputPixels(i: number): number {
    const { shape, batch } = this.given;
    const before = i > 0 ? shape.branch[i - 1]! : { height: shape.inHeight, width: shape.inWidth };
    return batch * before.height * before.width;
  }

  private branch(i: number): PrimitiveWork {
    const { block, shape, batch, plan } = this.given;
    const convolution = block.branch[i]!;
    const map = shape.branch[i]!;
    const rows = this.shares[i]! * batch * map.height * map.width;
    return {
      ...convolving(`conv${i + 1}` as Primitive, convolution, rows, {
        from: this.inputName(i),
        inputElements: this.inputShare(i) * this.inputPixels(i) * convolution.inChannels,
        to: `conv${i + 1}`,
        indexed: plan.mode === 'adaptive' && this.shares[i]! < 1,
      }),
    };
  }

  private excite(): PrimitiveWork {
    const { block, shape, batch, plan, coverage } = this.given;
    const { after, reduce, expand } = block.squeezeExcitation!;
    const map = shape.branch[after]!;
    const C = block.branch[after]!.outChannels;
    const all = batch * map.height * map.width * C;
    const pooled = this.shares[after]! * all;
    const scaled = (plan.mode === 'dense' ? 1 : (coverage.branch[after] ?? 1)) * all;
    const name = `conv${after + 1}`;
    return {
      primitive: 'excite',
      flops: convolutionFlops(reduce, batch) + convolutionFlops(expand, batch),
      elements: pooled + scaled,
      reads: [access(name, pooled, C), access(name, scaled, C)],
      writes: [access(name, scaled, C)],
      weightBytes: (reduce.weight.length + expand.weight.length) * float,
    };
  }

  private projection(): PrimitiveWork {
    const { block, shape } = this.given;
    const convolution = block.projection!;
    const [sy, sx] = convolution.stride;
    const touched =
      convolution.kernel[0] === 1 && convolution.kernel[1] === 1 ? this.pixels / (sy * sx) : this.pixels;
    return convolving('projection', convolution, this.outPixels, {
      from: 'input',
      inputElements: Math.min(touched, this.pixels) * shape.inChannels,
      to: 'shortcut',
      indexed: false,
    });
  }

  private get branchName(): string {
    return `conv${this.given.block.branch.length}`;
  }

  /** With the add in the same pass, active rows go straight to the map; alone, a whole map is made. */
  private scatter(group: readonly Primitive[]): PrimitiveWork {
    if (group.includes('add')) return moving('scatter', 0, [], []);
    const C = this.outChannels;
    const packed = this.given.coverage.rate * this.outPixels * C;
    const map = this.outPixels * C;
    return moving('scatter', map, [access(this.branchName, packed, C)], [access('scattered', map, C)]);
  }

  private add(group: readonly Primitive[]): PrimitiveWork {
    const { block, plan, coverage } = this.given;
    const C = this.outChannels;
    const map = this.outPixels * C;
    const shortcut = block.projection ? 'shortcut' : 'input';
    if (plan.mode === 'dense' || !group.includes('scatter')) {
      const branch = plan.mode === 'dense' ? this.branchName : 'scattered';
      return moving(
        'add',
        map,
        [access(branch, map, C), access(shortcut, map, C)],
        [access('output', map, C)],
      );
    }
    const active = coverage.rate * map;
    // In an identity block the map is updated in place; behind a projection every pixel still needs its activation.
    const touched = block.projection && block.activation !== 'none' ? map : active;
    return moving(
      'add',
      touched,
      [access(this.branchName, active, C), access(shortcut, touched, C)],
      [access('output', touched, C)],
    );
  }

  private nextPool(): PrimitiveWork {
    const C = this.outChannels;
    const active = (this.given.plan.mode === 'dense' ? 1 : this.given.coverage.rate) * this.outPixels * C;
    const cells = this.given.next?.cells ?? this.cells;
    return moving('next-pool', active, [access('output', active, C)], [access('pooled', cells * C, C)]);
  }
}

function access(tensor: string, elements: number, run: number): Access {
  return { tensor, bytes: elements * float, run: Math.max(run, 1) * float };
}

function moving(
  primitive: Primitive | 'node',
  elements: number,
  reads: readonly Access[],
  writes: readonly Access[],
): PrimitiveWork {
  return { primitive, flops: 0, elements, reads, writes, weightBytes: 0 };
}

/** The work of a convolution at `rows` output pixels. */
export function convolving(
  primitive: Primitive | 'node',
  convolution: Pick<Convolution, 'kernel' | 'inChannels' | 'outChannels' | 'groups'>,
  rows: number,
  flow: {
    readonly from: string;
    readonly inputElements: number;
    readonly to: string;
    readonly indexed: boolean;
  },
): PrimitiveWork {
  const { kernel, inChannels, outChannels, groups } = convolution;
  const taps = kernel[0] * kernel[1];
  const perGroup = inChannels / groups;
  return {
    primitive,
    flops: convolutionFlops(convolution, rows),
    elements: rows * outChannels,
    matrix: {
      rows,
      inner: taps * perGroup,
      columns: outChannels / groups,
      groups,
      taps,
      indexed: flow.indexed,
    },
    reads: [access(flow.from, flow.inputElements, inChannels)],
    writes: [access(flow.to, rows * outChannels, outChannels)],
    weightBytes: outChannels * taps * perGroup * float,
  };
}

/** The work of a pass that only moves values from map to map. */
export function movingNode(readElements: number, writtenElements: number, channels: number): PrimitiveWork {
  return moving(
    'node',
    Math.max(readElements, writtenElements),
    [access('in', readElements, channels)],
    [access('out', writtenElements, channels)],
  );
}
