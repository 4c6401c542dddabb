import type { StageCoverage } from './object-coverage.js';

/** Dense beside adaptive. */
export interface Pair {
  readonly dense: number;
  readonly adaptive: number;
}

/** Activation rates of one block, means over the images. */
export interface BlockRates {
  readonly block: number;
  readonly name: string;
  readonly stage: number;
  readonly granularity: number;
  readonly rate: number;
  readonly dilatedRate: number;
}

/** What `measureAccuracy` finds. */
export interface Evaluation {
  readonly model: string;
  readonly images: number;
  /** Fraction of images whose class is right; absent when the images' classes are not the network's, and for maps. */
  readonly accuracy?: Pair;
  /** Agreement with the dense network: same most probable class, and cosine of the logits. */
  readonly agreement: { readonly top1: number; readonly cosine: number };
  /** Rates of every block that ran adaptively, means over the images. */
  readonly blocks: readonly BlockRates[];
  /** By stage, when the objects' regions are known. */
  readonly coverage: readonly StageCoverage[];
  /** FLOPs relative to dense. */
  readonly flops: number;
  readonly latency: {
    /** Median time of one image on this machine, ms. */
    readonly measuredMs: Pair;
    readonly backend: string;
    readonly strategy: string;
    readonly threads: number;
    readonly predicted?: { readonly device: string } & { readonly ms: Pair };
  };
}
