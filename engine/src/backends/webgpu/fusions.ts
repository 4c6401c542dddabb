import type { Convolution } from '../../network/network.js';
import { isPointwise } from '../../network/shapes.js';
import type { Convolve, Operation } from '../../program/program.js';
import { type Precision, vectors } from './kernel.js';
import { activationKind } from './kernels/activation.js';
import { FUSION_TILES, type FusionKind, type FusionTile, fusedBytes, type Inner } from './kernels/fusion.js';
import { gemmSteps } from './kernels/product.js';
import { hasSquares } from './squares.js';
import { methodOf } from './weights.js';

/** Convolutions of a stream, one after the other, that one dispatch can do. */
export interface Fusion {
  /** All of them. */
  readonly operations: readonly Convolve[];
  /** Computed around the pixels of the core. */
  readonly head?: Convolve;
  readonly core: Convolve;
  /** 1x1, and needs the core at its own pixels only. */
  readonly tail?: Convolve;
}

/** Says how several convolutions are in one dispatch; undefined: not at all. */
export interface Fuses {
  fused(fusion: Fusion): FusionTile | undefined;
}

/** What a stream's operations are made as: one dispatch for several convolutions, or whatever one operation takes. */
export type Part<Some extends Operation> =
  | { readonly operation: Some }
  | { readonly fusion: Fusion; readonly tile: FusionTile };

/** Whether a convolution is one matrix product over the pixels. */
const isProduct = (convolution: Convolution) => convolution.groups === 1 && isPointwise(convolution);

/** True when nothing but the second convolution needs what the first one computes. */
function leadsTo(first: Convolve, second: Convolve): boolean {
  return (
    second.source === first.destination &&
    second.residual !== first.destination &&
    first.residual === undefined &&
    // Slopes of channels would need a place of their own.
    first.activation !== 'prelu'
  );
}

function isTail(core: Convolve, tail: Convolve): boolean {
  return (
    isProduct(tail.convolution) &&
    leadsTo(core, tail) &&
    tail.region === core.region &&
    tail.others === core.others
  );
}

/** A core reads what is computed at once, in full maps or at the listed pixels of a mask itself. */
function isHead(head: Convolve, core: Convolve): boolean {
  const { convolution } = core;
  return (
    leadsTo(head, core) &&
    methodOf(head.convolution) === 'gemm' &&
    head.source.layout.kind === 'map' &&
    head.destination.layout.kind === 'map' &&
    ['gemm', 'depthwise'].includes(methodOf(convolution)) &&
    convolution.kernel.some((size) => size > 1) &&
    convolution.dilation.every((step) => step === 1) &&
    !head.others &&
    hasSquares(core)
  );
}

/** A core without a head gathers what it reads; nothing may write there meanwhile. */
function isCore(core: Convolve, tail: Convolve): boolean {
  const method = methodOf(core.convolution);
  const apart = tail.destination !== core.source || isProduct(core.convolution);
  return (method === 'gemm' || method === 'depthwise') && apart;
}

/** What can be one dispatch from an operation of a stream on, the longest first. */
export function fusionsAt(operations: readonly Operation[], at: number): Fusion[] {
  // What is normalised needs all channels of a pixel, which no workgroup of a fusion has.
  const end = operations.findIndex(
    (one, i) => i >= at && one.kind === 'convolve' && one.convolution.normalisation,
  );
  const [first, second, third] = operations.slice(at, Math.min(at + 3, end < 0 ? operations.length : end));
  if (first?.kind !== 'convolve' || second?.kind !== 'convolve') return [];
  const found: Fusion[] = [];
  if (isHead(first, second)) {
    if (third?.kind === 'convolve' && isTail(second, third)) {
      found.push({ operations: [first, second, third], head: first, core: second, tail: third });
    }
    found.push({ operations: [first, second], head: first, core: second });
  }
  if (isTail(first, second) && isCore(first, second)) {
    found.push({ operations: [first, second], core: first, tail: second });
  }
  return found.filter((fusion) => !isInPlace(fusion) || isWhole(fusion));
}

/** Divides a step's operations into dispatches: the longest fusion that is chosen, from the first operation on. */
export function partsOf<Some extends Operation>(operations: readonly Some[], choice: Fuses): Part<Some>[] {
  const parts: Part<Some>[] = [];
  for (let at = 0; at < operations.length; ) {
    const chosen = fusionsAt(operations, at).flatMap((fusion) => {
      const tile = choice.fused(fusion);
      return tile ? { fusion, tile } : [];
    })[0];
    parts.push(chosen ?? { operation: operations[at]! });
    at += chosen?.fusion.operations.length ?? 1;
  }
  return parts;
}

/** True when a fusion writes the map that its workgroups read around their pixels: it has to write another one. */
export function isInPlace({ operations, head }: Fusion): boolean {
  return head !== undefined && operations.at(-1)!.destination === head.source;
}

/** True when a map of its own can take all that the fusion leaves as it is from the residual. */
function isWhole({ operations }: Fusion): boolean {
  const { region, residual, destination } = operations.at(-1)!;
  return region === undefined || residual === destination;
}

/** What specialises a fusion's kernel. `copies` says whether cells that are not active have to be copied. */
export function kindOf({ head, core, tail }: Fusion, copies: boolean): FusionKind {
  const inner = ({ convolution, activation }: Convolve): Inner => {
    if (activation === 'prelu') {
      throw new RangeError(`${convolution.name}: a fusion has no place for the slopes of its channels`);
    }
    return { vectors: vectors(convolution.outChannels), activation: activationKind(activation) };
  };
  const { kernel, stride } = core.convolution;
  return {
    ...(head ? { head: inner(head) } : {}),
    core: {
      depthwise: methodOf(core.convolution) === 'depthwise',
      ...{ kernel, stride },
      ...(tail ? { inner: inner(core) } : {}),
    },
    copies,
  };
}

/** Tiles of a fusion that have room in `bytes` of workgroup memory. */
export function tilesFor(fusion: Fusion, precision: Precision, bytes: number): readonly FusionTile[] {
  const kind = kindOf(fusion, false);
  return FUSION_TILES.filter(
    (tile) =>
      (tile.side !== undefined) === (fusion.head !== undefined) && fusedBytes(tile, kind, precision) <= bytes,
  );
}

/** A tile by what its kernels are called. */
export function fusionTileOf(family: string | undefined): FusionTile | undefined {
  return FUSION_TILES.find((tile) => tile.family === family);
}

/** Turns of the innermost loop of each workgroup, for all convolutions. */
export function fusedSteps({ head, core, tail }: Fusion, tile: FusionTile): number {
  const columns = ({ convolution }: Convolve) => Math.ceil(convolution.outChannels / tile.channels);
  const taps = ({ convolution: { kernel } }: Convolve) => kernel[0] * kernel[1];
  const product = (one: Convolve) =>
    columns(one) * gemmSteps(taps(one) * vectors(one.convolution.inChannels), tile);
  const { kernel, stride } = core.convolution;
  const window = [0, 1].reduce((pixels, axis) => {
    const along = ((tile.side ?? 1) - 1) * stride[axis as 0 | 1] + kernel[axis as 0 | 1];
    return pixels * along;
  }, 1);
  // A depthwise tap of a row costs a quarter of an input vector of a product, for each vector.
  const depthwise =
    (taps(core) * vectors(core.convolution.outChannels)) / (4 * tile.depth) / (tile.channels / 4);
  return (
    (head ? Math.ceil(window / tile.rows) * product(head) : 0) +
    (methodOf(core.convolution) === 'depthwise' ? Math.ceil(depthwise) : product(core)) +
    (tail ? product(tail) : 0)
  );
}
