import { encodePart, geometryWords } from '../../backends/native/encode.js';
import type { EncodedPart } from '../../backends/native/encoded-part.js';
import type { ConvolutionActivation } from '../../network/activation.js';
import type { Block } from '../../network/network.js';
import type { LoweredPart } from '../../plan/lower-part.js';
import type { AdaptiveBlock } from '../../primitives/network-lowering.js';
import type { Program, ProgramRegion, Step } from '../../program/program.js';
import { type TermTable, termTable, workOf } from '../../program/work.js';
import type { Shape } from '../../tensor.js';
import { type Coverage, wholeSquares } from '../coverage.js';

/**
 * A part of a program with all that its cost depends on: the same part stands wherever a network has a node like it.
 */
export interface CostedPart {
  readonly encoded: EncodedPart;
  /** The geometry of each convolution, as the addon takes it, by the part's own number. */
  readonly convolutions: readonly Int32Array[];
  readonly deciders: number;
  /** How many values each bias of an attention has, by the part's own number. */
  readonly biases: readonly number[];
  /** Their owners' nodes count from the part's first. */
  readonly steps: readonly Step[];
  /** FLOPs and bytes, by step: what a search does without. */
  terms(): TermTable;
  /** By the part's own id. */
  readonly regions: readonly CostedRegion[];
  /** Its blocks that follow their masks. */
  readonly adaptive: readonly CostedBlock[];
}

/** A region of a part. */
export interface CostedRegion {
  /** Pixels, and squares of 2 x 2 pixels, of the whole map over the batch. */
  readonly pixels: number;
  readonly squares: number;
  readonly mask: number;
  /** The position in `adaptive` of the block whose mask it follows. */
  readonly owner: number;
  readonly place: Place;
}

/** A block of a part that follows its mask, by the part's own ids. */
export interface CostedBlock {
  readonly mask: number;
  /** The mask's own pixels, and where conv1 is computed; undefined when everywhere. */
  readonly region: number | undefined;
  readonly conv1Region: number | undefined;
}

/** What a region is part of: a convolution's output, what a spatial attention scales, or the block's output. */
export type Place = number | 'attended' | 'active';

/** A part of a network's program for one node, and what it leaves to those after it. */
export interface NodePart extends CostedPart {
  readonly output:
    | {
        readonly map: number;
        readonly shape: Shape;
        readonly activation: ConvolutionActivation;
      }
    | undefined;
  /** The next block's mask and what has been pooled for it, by the part's own ids. */
  readonly next?: { readonly mask: number; readonly pooled: number | undefined };
  /** What the block's rewrite answered, as text. */
  readonly rewritten: string | undefined;
}

/**
 * Works out what a program, or a part of one, costs by.
 * @param adaptive the blocks whose masks its regions follow
 */
export function costedPart(
  program: Pick<Program, 'maps' | 'masks' | 'regions' | 'halos' | 'steps' | 'given'>,
  adaptive: readonly AdaptiveBlock[],
  givenMaps = 0,
  givenMasks = 0,
): CostedPart {
  const { part, convolutions, deciders, biasCounts } = encodePart(program, givenMaps, givenMasks);
  let terms: TermTable | undefined;
  return {
    encoded: part,
    convolutions: convolutions.map(geometryWords),
    deciders: deciders.length,
    biases: biasCounts,
    steps: program.steps,
    terms: () => {
      terms ??= termTable(program.steps.map(({ operations }) => operations.flatMap(workOf)));
      return terms;
    },
    regions: program.regions.map((region): CostedRegion => {
      const { mask, pixels } = region;
      const owner = adaptive.findIndex((block) => block.mask === mask);
      const place = placeOf(region, adaptive[owner]!.block);
      return { pixels, squares: wholeSquares(mask.batch, region), mask: mask.id, owner, place };
    }),
    adaptive: adaptive.map(({ mask, region, conv1Region }) => ({
      ...{ mask: mask.id, region: region?.id, conv1Region: conv1Region?.id },
    })),
  };
}

/** What one node's lowering costs by. */
export function nodePart(lowered: LoweredPart): NodePart {
  const { program, givenMaps, givenMasks, output, adaptive, next, rewritten } = lowered;
  return {
    ...costedPart(program, adaptive ? [adaptive] : [], givenMaps, givenMasks),
    output: output && { map: output.map.id, shape: output.map.shape, activation: output.activation },
    rewritten,
    ...(next ? { next: { mask: next.mask.id, pooled: next.pooled?.id } } : {}),
  };
}

function placeOf({ reads }: ProgramRegion, { branch, attention }: Block): Place {
  if (!reads) return 'active';
  if (reads.convolution === attention?.spatial) return attention.after;
  const layer = branch.indexOf(reads.convolution) - 1;
  return attention?.spatial && layer === attention.after ? 'attended' : layer;
}

/** The share of a region's map that is computed, 0…1. */
export function coveredAt(place: Place, { rate, attended, branch }: Coverage): number {
  if (place === 'active') return rate;
  return place === 'attended' ? (attended ?? 1) : branch[place]!;
}

/** Squares are computed by convolutions, and a spatial attention reads behind them. */
export function squaresAt(
  place: Place,
  { branch, attention }: Block,
  { squares }: Coverage,
): number | undefined {
  if (place === 'attended') return undefined;
  if (place !== 'active') return squares?.[place];
  const last = branch.length - 1;
  return attention?.spatial && attention.after === last ? undefined : squares?.[last];
}
