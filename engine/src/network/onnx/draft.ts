import type {
  Activation,
  Block,
  Convolution,
  ConvolutionActivation,
  LayerNormalisation,
  NormaliseMapNode,
  PixelAttentionNode,
  PoolNode,
  ResizeNode,
  SliceNode,
} from '../network.js';
import type { GraphNode } from './graph.js';

/**
 * Nodes on their way from ONNX operators to the engine's nodes. Each remembers the operators it came from, so
 * that what finds no place in the end can still run as they stand.
 */
interface DraftBase {
  inputs: string[];
  readonly outputs: readonly string[];
  origins: readonly GraphNode[];
  /** Path of the module it came from, such as `layer1.0.conv1`, if the file contains it. */
  readonly label: string;
}

export interface ConvolutionDraft extends DraftBase {
  readonly kind: 'convolution';
  convolution: Convolution;
}

export type PoolDraft = DraftBase & Omit<PoolNode, 'name' | 'inputs' | 'output'>;

export interface GlobalPoolDraft extends DraftBase {
  readonly kind: 'global-pool';
}

export interface AddDraft extends DraftBase {
  readonly kind: 'add';
  activation: Activation;
  /** Why it is no residual block that masks can skip. */
  readonly dense?: string;
}

export interface ActivationDraft extends DraftBase {
  readonly kind: 'activation';
  readonly activation: ConvolutionActivation;
  /** Of a PReLU, one per channel. */
  readonly slopes?: Float32Array;
}

export interface ConcatDraft extends DraftBase {
  readonly kind: 'concat';
}

export type SliceDraft = DraftBase & Omit<SliceNode, 'name' | 'inputs' | 'output'>;

export type ResizeDraft = DraftBase & Omit<ResizeNode, 'name' | 'inputs' | 'output'>;

export type PixelAttentionDraft = DraftBase & Omit<PixelAttentionNode, 'name' | 'inputs' | 'output'>;

export type NormaliseMapDraft = DraftBase & Omit<NormaliseMapNode, 'name' | 'inputs' | 'output'>;

/** `x · scale + shift` per channel: a separate batch norm, or arithmetic with constants. */
export interface AffineDraft extends DraftBase {
  readonly kind: 'affine';
  readonly scale: Float32Array;
  readonly shift: Float32Array;
}

/** The channels of each pixel normalised. */
export interface NormalisationDraft extends DraftBase {
  readonly kind: 'normalisation';
  readonly normalisation: LayerNormalisation;
}

/** The product of two values: a gate, or half of an activation. */
export interface MultiplyDraft extends DraftBase {
  readonly kind: 'multiply';
  /** Whether their sizes are known to be those that a `MultiplyNode` takes. */
  readonly fits: boolean;
}

/** Zeros around the map, `[top, left, bottom, right]`. */
export interface PadDraft extends DraftBase {
  readonly kind: 'pad';
  readonly channels: number | undefined;
  readonly padding: readonly [number, number, number, number];
}

export interface BlockDraft extends DraftBase {
  readonly kind: 'block';
  readonly block: Block;
}

/** An operator that the engine has no node for. */
export interface UnknownDraft extends DraftBase {
  readonly kind: 'unknown';
}

export type Draft =
  | ConvolutionDraft
  | PoolDraft
  | GlobalPoolDraft
  | AddDraft
  | ActivationDraft
  | ConcatDraft
  | SliceDraft
  | ResizeDraft
  | NormaliseMapDraft
  | PixelAttentionDraft
  | AffineDraft
  | NormalisationDraft
  | MultiplyDraft
  | PadDraft
  | BlockDraft
  | UnknownDraft;

/** Drafts in order, with who writes and who reads each value kept up to date. */
export class DraftGraph {
  private readonly order: (Draft | undefined)[] = [];
  private readonly position = new Map<Draft, number>();
  private readonly producers = new Map<string, Draft>();
  private readonly readers = new Map<string, Set<Draft>>();

  /** @param outputs values that are read from outside, and so must stay */
  constructor(
    drafts: readonly Draft[],
    private readonly outputs: ReadonlySet<string>,
  ) {
    for (const draft of drafts) {
      this.position.set(draft, this.order.length);
      this.order.push(draft);
      this.link(draft);
    }
  }

  /** Drafts in an order in which each follows those it reads. */
  all(): Draft[] {
    return this.order.filter((draft) => draft !== undefined);
  }

  producer(value: string): Draft | undefined {
    return this.producers.get(value);
  }

  /** Drafts that read a value, each once. */
  readersOf(value: string): readonly Draft[] {
    return [...(this.readers.get(value) ?? [])];
  }

  /** True when nothing but these drafts reads the value. */
  onlyReadBy(value: string, ...drafts: readonly Draft[]): boolean {
    return !this.outputs.has(value) && this.readersOf(value).every((reader) => drafts.includes(reader));
  }

  /** Puts `draft` in the place of `last`, and takes out `last` and `others`. */
  replace(last: Draft, others: readonly Draft[], draft: Draft): void {
    const place = this.position.get(last)!;
    for (const old of [last, ...others]) this.remove(old);
    this.order[place] = draft;
    this.position.set(draft, place);
    this.link(draft);
  }

  remove(draft: Draft): void {
    const place = this.position.get(draft);
    if (place === undefined) return;
    this.order[place] = undefined;
    this.position.delete(draft);
    for (const value of draft.outputs) if (this.producers.get(value) === draft) this.producers.delete(value);
    for (const value of draft.inputs) this.readers.get(value)?.delete(draft);
  }

  private link(draft: Draft): void {
    for (const value of draft.outputs) this.producers.set(value, draft);
    for (const value of draft.inputs) {
      const readers = this.readers.get(value) ?? new Set();
      this.readers.set(value, readers.add(draft));
    }
  }
}
