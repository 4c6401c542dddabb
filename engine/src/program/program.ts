import type { Attention } from '../network/attention.js';
import type {
  Activation,
  Block,
  Convolution,
  ConvolutionActivation,
  ForeignNode,
  Interpolation,
  MapStatistics,
} from '../network/network.js';
import type { PixelAttention } from '../network/pixel-attention.js';
import type { Shape } from '../tensor.js';
import type { Dtype } from './dtype.js';

/**
 * What a plan means for one network and one input shape: maps, masks and regions, and the steps that compute
 * them, as plain data that names no backend. Maps are values, not memory: which of them share a buffer is
 * decided afterwards, over the finished program, by `planBuffers`.
 */
export interface Program {
  /** By id. */
  readonly maps: readonly ProgramMap[];
  /** By id. */
  readonly masks: readonly ProgramMask[];
  /** By id. */
  readonly regions: readonly ProgramRegion[];
  /** By id. */
  readonly halos: readonly ProgramHalo[];
  /** In order of execution. */
  readonly steps: readonly Step[];
  /** Written by the caller before the first step. */
  readonly input: ProgramMap;
  /** Masks that the caller decides before the first step. */
  readonly given: readonly ProgramMask[];
  /** Read by the caller after the last step; absent while a foreign node's shape is not known. */
  readonly output?: ProgramMap;
}

/** How a map's rows of channels are laid out: every pixel in raster order, or only some of them. */
export type Layout =
  /** All pixels, `[N, H, W, C]`. */
  | { readonly kind: 'map' }
  /** The pixels of a region, one row after the other, at the beginning of a map's memory. */
  | { readonly kind: 'packed'; readonly region: ProgramRegion }
  /** Active cells, each with what a convolution reads around it. */
  | { readonly kind: 'halo'; readonly halo: ProgramHalo };

/** A value of the program. Operations may change it in place; it remains one value until its last use. */
export interface ProgramMap {
  readonly id: number;
  readonly shape: Shape;
  readonly dtype: Dtype;
  readonly layout: Layout;
}

/** Which cells of a grid over a `height x width` map are active, for each image. */
export interface ProgramMask {
  readonly id: number;
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  readonly height: number;
  readonly width: number;
}

/** A set of pixels that a mask determines when the program runs. */
export interface ProgramRegion {
  readonly id: number;
  readonly mask: ProgramMask;
  readonly height: number;
  readonly width: number;
  /** Pixels of the whole map, over the batch. */
  readonly pixels: number;
  /** What `convolution` reads to compute the region `of`; left out, the pixels of the mask's active cells. */
  readonly reads?: { readonly of: ProgramRegion; readonly convolution: Convolution };
}

/** The active cells of a mask's own region, each with what `convolution` reads around it. */
export interface ProgramHalo {
  readonly id: number;
  readonly region: ProgramRegion;
  readonly convolution: Convolution;
}

/** What a step belongs to: a node of the network and, in a block, one group of its plan. */
export interface Owner {
  readonly node: number;
  /** −1 outside blocks. */
  readonly group: number;
}

/**
 * One pass over memory: a single operation, or a stream, whose operations run interleaved, band by band. All
 * values that a stream touches are alive throughout it, and what lies between its convolutions is gone after it.
 */
export interface Step {
  readonly owner: Owner;
  readonly operations: readonly Operation[];
  /**
   * In a stream, output pixels of its last convolution or addition in each band: what is computed does not depend on it. Left out, the
   * backend chooses.
   */
  readonly bandPixels?: number;
}

/** A band of more pixels than any map has: the most that `Step.bandPixels` may be. */
export const MOST_BAND_PIXELS = 2 ** 30;

/** Where a mask's cells come from: a pooled map, by a rule that backends know, or the user's own function. */
export type Decider =
  | { readonly kind: 'learned'; readonly block: Block }
  | { readonly kind: 'salient'; readonly rate: number };

/** What one step of a program computes; `kind` says which operation. */
export type Operation =
  | {
      readonly kind: 'convolve';
      readonly convolution: Convolution;
      readonly source: ProgramMap;
      readonly destination: ProgramMap;
      /** Where to compute; everywhere when left out. */
      readonly region?: ProgramRegion;
      /** True: at the pixels outside the region instead. */
      readonly others: boolean;
      /** Added before the activation. */
      readonly residual?: ProgramMap;
      /** In the place of the convolution's own. */
      readonly activation: ConvolutionActivation;
    }
  | {
      readonly kind: 'max-pool' | 'average-pool';
      readonly source: ProgramMap;
      readonly destination: ProgramMap;
      readonly kernel: readonly [number, number];
      readonly stride: readonly [number, number];
      readonly padding: readonly [number, number, number, number];
      readonly countPadding: boolean;
    }
  /** Mean over each image: `[N, H, W, C]` → `[N, 1, 1, C]`. */
  | { readonly kind: 'global-pool'; readonly source: ProgramMap; readonly destination: ProgramMap }
  /** Adjacent channels of a map to a place in another, which is filled in the order of its channels. */
  | {
      readonly kind: 'copy-channels';
      readonly source: ProgramMap;
      readonly destination: ProgramMap;
      /** The first channel that is read. */
      readonly from: number;
      readonly count: number;
      /** The first channel that is written. */
      readonly to: number;
    }
  /** A map made larger by whole factors. */
  | {
      readonly kind: 'resize';
      readonly source: ProgramMap;
      readonly destination: ProgramMap;
      readonly interpolation: Interpolation;
    }
  /** A map normalised by statistics of each image; `destination` may be `source`. */
  | {
      readonly kind: 'normalise-map';
      readonly source: ProgramMap;
      readonly destination: ProgramMap;
      readonly by: MapStatistics;
      readonly groups: number;
      readonly epsilon: number;
    }
  /** Attention over pixels: `destination` has a pixel for each query, or, of a context, for each key. */
  | {
      readonly kind: 'pixel-attention';
      readonly attention: PixelAttention;
      /** Left out by `context`. */
      readonly query?: ProgramMap;
      readonly key: ProgramMap;
      readonly value: ProgramMap;
      readonly destination: ProgramMap;
    }
  /** `destination = activation(a + b)`; without `b`, `activation(a)`. */
  | {
      readonly kind: 'add';
      readonly a: ProgramMap;
      readonly b?: ProgramMap;
      readonly destination: ProgramMap;
      readonly activation: Activation;
    }
  /** `destination = a · b`; b is as large as a, or `[N, 1, 1, C]`. */
  | {
      readonly kind: 'multiply';
      readonly a: ProgramMap;
      readonly b: ProgramMap;
      readonly destination: ProgramMap;
    }
  /** Adaptive average pool to a mask's grid. */
  | {
      readonly kind: 'grid-pool';
      readonly source: ProgramMap;
      readonly pooled: ProgramMap;
      readonly mask: ProgramMask;
      /** `pooled` holds the same values already wherever this mask, and so this region, is not active. */
      readonly changed?: { readonly mask: ProgramMask; readonly region: ProgramRegion };
    }
  | {
      readonly kind: 'decide';
      readonly mask: ProgramMask;
      readonly pooled: ProgramMap;
      readonly decider: Decider;
    }
  /** The run stops for a custom masker, which reads `pooled`. A separate step. */
  | { readonly kind: 'ask'; readonly block: Block; readonly mask: ProgramMask; readonly pooled: ProgramMap }
  /** The run stops for a node that only onnxruntime can run. A separate step; the last one has no `output`. */
  | {
      readonly kind: 'foreign';
      readonly node: ForeignNode;
      readonly inputs: readonly ProgramMap[];
      readonly output?: ProgramMap;
    }
  /** From a mask's cells to the pixels of all its regions and halos. */
  | {
      readonly kind: 'index';
      readonly mask: ProgramMask;
      /**
       * The cells of one image in the order in which active ones are gone through, each once, numbered row by row; the
       * pixels of each in raster order. It holds for the mask's own region and its halos: what convolutions read around
       * them stays in raster order, as all does when it is left out. What is computed does not depend on it.
       */
      readonly order?: readonly number[];
    }
  /** Copies active cells with their halo, zeros outside the image. */
  | { readonly kind: 'gather'; readonly source: ProgramMap; readonly destination: ProgramMap }
  /** Packed rows to their places, zeros everywhere else. */
  | { readonly kind: 'scatter'; readonly source: ProgramMap; readonly destination: ProgramMap }
  /** `destination = activation(shortcut + source)` at the pixels of a region; the others stay as they are. */
  | {
      readonly kind: 'scatter-add';
      /** The region's rows packed, or a whole map. */
      readonly source: ProgramMap;
      readonly destination: ProgramMap;
      readonly region: ProgramRegion;
      readonly shortcut: ProgramMap;
      readonly activation: Activation;
    }
  /** The activation at the pixels outside the region, in place. */
  | {
      readonly kind: 'activate-others';
      readonly map: ProgramMap;
      readonly region: ProgramRegion;
      readonly activation: Activation;
    }
  /**
   * Attention in place: channels pooled over `pooledOver`, where mean and maximum over channels are taken as well, and
   * scales for `scaled` pixels.
   */
  | {
      readonly kind: 'excite';
      readonly map: ProgramMap;
      readonly attention: Attention;
      /** Everywhere when left out. With a spatial convolution it holds what that reads for `scaled`. */
      readonly pooledOver?: ProgramRegion;
      /** Everywhere when left out; a packed map's own region. */
      readonly scaled?: ProgramRegion;
    };

export type OperationKind = Operation['kind'];

/** The operations of some kinds. */
export type OperationOf<Kind extends OperationKind> = Extract<Operation, { kind: Kind }>;

/** A convolution of a program. */
export type Convolve = OperationOf<'convolve'>;

/** An attention gate of a program. */
export type Excite = OperationOf<'excite'>;
