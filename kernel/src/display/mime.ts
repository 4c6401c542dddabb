/**
 * The JSON documents behind Fovea's own MIME types. The kernel writes them, the extension draws them, and a
 * saved notebook holds them: change them only by adding optional fields, or under a new version.
 */

export const MASKS_MIME = 'application/vnd.fovea.masks.v1+json';
/** MIME type of a `LatencyDocument`. */
export const LATENCY_MIME = 'application/vnd.fovea.latency.v1+json';
/** MIME type of a plotly figure. */
export const PLOTLY_MIME = 'application/vnd.plotly.v1+json';

/** One block's mask over one image. */
export interface MasksBlock {
  readonly index: number;
  readonly name: string;
  readonly stage: number;
  readonly granularity: number;
  /** Fraction of active output pixels, 0…1. */
  readonly rate: number;
  readonly rows: number;
  readonly columns: number;
  /** The output map that the grid covers; pixel y belongs to row `floor(y · rows / height)`. */
  readonly height: number;
  readonly width: number;
  /** `rows · columns` characters, row by row, `1` for active. */
  readonly cells: string;
  /** Logit margins (compute − skip) as base64 of signed bytes, times `scale`; absent without logits. */
  readonly margins?: { readonly scale: number; readonly base64: string };
}

/** `application/vnd.fovea.masks.v1+json` */
export interface MasksDocument {
  readonly version: 1;
  readonly title?: string;
  readonly network: string;
  readonly strategy?: string;
  readonly images: readonly {
    readonly name: string;
    readonly width: number;
    readonly height: number;
    /** Base64 of a PNG, without the data-URL prefix. */
    readonly png: string;
    /** Most probable classes, best first. */
    readonly top?: readonly { readonly label: string; readonly probability: number }[];
    readonly blocks: readonly MasksBlock[];
  }[];
}

/** Where a figure comes from; every mark in a plot says it. */
export type Origin = 'predicted' | 'measured' | 'published';

/** One operation of a profile; times in ms. */
export interface LatencyOp {
  readonly name: string;
  /** Block index, -1 outside blocks. */
  readonly block: number;
  readonly primitives: readonly string[];
  readonly totalMs: number;
  readonly computeMs: number;
  readonly dataMs: number;
  readonly overheadMs: number;
}

/** One residual block of a profile; times in ms. */
export interface LatencyBlock {
  readonly block: number;
  readonly name: string;
  readonly stage: number;
  readonly granularity: number;
  readonly rate: number;
  readonly totalMs: number;
  readonly computeMs: number;
  readonly dataMs: number;
  readonly overheadMs: number;
}

/** A profile as figures need it; times in ms. */
export interface LatencyProfile {
  readonly label: string;
  readonly origin: Origin;
  readonly device: string;
  readonly strategy: string;
  readonly batch: number;
  readonly threads: number;
  readonly totalMs: number;
  readonly blocks: readonly LatencyBlock[];
  readonly ops: readonly LatencyOp[];
}

/** One bar of a latency figure; times in ms. */
export interface LatencyBar {
  readonly label: string;
  readonly origin: Origin;
  readonly totalMs: number;
  readonly computeMs?: number;
  readonly dataMs?: number;
  readonly overheadMs?: number;
}

/** One figure of a latency document. */
export type LatencyView =
  /** Per-block times of several profiles side by side: predicted beside measured. */
  | { readonly kind: 'compare'; readonly title?: string; readonly profiles: readonly LatencyProfile[] }
  /** Stacked compute, data movement and overhead per op of one profile. */
  | { readonly kind: 'breakdown'; readonly title?: string; readonly profile: LatencyProfile }
  /** Latency relative to dense against activation rate, one series per stage and S. */
  | {
      readonly kind: 'ratio';
      readonly title?: string;
      readonly series: readonly {
        readonly label: string;
        readonly device: string;
        readonly stage: number;
        readonly granularity: number;
        readonly origin: Origin;
        readonly points: readonly { readonly rate: number; readonly ratio: number }[];
        /** Largest rate at which adaptive execution still pays. */
        readonly breakEven?: number;
      }[];
    }
  /** Bars of whole times: the fusion ablation, or strategies beside each other. */
  | {
      readonly kind: 'fusion' | 'strategies';
      readonly title?: string;
      readonly bars: readonly LatencyBar[];
      /** Dense time to compare with, drawn as a line. */
      readonly baselineMs?: number;
    }
  /** Quality against latency, with the front marked. */
  | {
      readonly kind: 'pareto';
      readonly title?: string;
      readonly yLabel: string;
      readonly points: readonly {
        readonly label: string;
        readonly ms: number;
        readonly score: number;
        /** Least and most of what `ms` and `score` are medians of. */
        readonly msRange?: readonly [least: number, most: number];
        readonly scoreRange?: readonly [least: number, most: number];
        readonly onFront: boolean;
        readonly origin: Origin;
      }[];
    };

/** `application/vnd.fovea.latency.v1+json`: one or more views of the same question. */
export interface LatencyDocument {
  readonly version: 1;
  readonly title?: string;
  readonly views: readonly LatencyView[];
}
