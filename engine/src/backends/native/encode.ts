import type { Convolution } from '../../network/network.js';
import type { PixelBias } from '../../network/pixel-attention.js';
import { accessesOf } from '../../program/accesses.js';
import type {
  Decider,
  Operation,
  Owner,
  Program,
  ProgramMap,
  ProgramRegion,
  Step,
} from '../../program/program.js';
import { type Work, workOf } from '../../program/work.js';
import { activationNumber } from '../activation-number.js';
import type { ScriptedOperation } from '../scripted.js';
import type { ProgramTables } from './addon.js';
import {
  access,
  type EncodedPart,
  joinParts,
  NONE,
  PartPlacer,
  regionTables,
  UNTOUCHED,
} from './encoded-part.js';
import { OperandWriter, writeOperands } from './operands.js';

/** A convolution's thirteen sizes, its activation, 1 where it is normalised, 2 where not centred, and 1 for a maximum, as the addon takes them. */
export function geometryWords(convolution: Convolution): Int32Array {
  const { inChannels, outChannels, kernel, stride, padding, dilation, groups } = convolution;
  const { activation, normalisation, maximum } = convolution;
  return Int32Array.of(
    inChannels,
    outChannels,
    ...kernel,
    ...stride,
    ...padding,
    ...dilation,
    groups,
    activationNumber(activation),
    normalisation ? ((normalisation.centred ?? true) ? 1 : 2) : 0,
    maximum ? 1 : 0,
  );
}

/** Epsilon, scale and shift of a normalisation; nothing without one. */
export function normalisationValues({ normalisation }: Convolution): Float32Array {
  if (!normalisation) return new Float32Array(0);
  const { scale, shift, epsilon } = normalisation;
  const values = new Float32Array(1 + 2 * scale.length);
  values[0] = epsilon;
  values.set(scale, 1);
  values.set(shift, 1 + scale.length);
  return values;
}

/** Numbers that a session gave to a network's packed parts. */
export interface PackedNumbers {
  convolution(convolution: Convolution): number;
  masker(decider: Decider): number;
  bias(bias: PixelBias): number;
}

/** The run stops before instruction `at`. */
export interface Stop {
  readonly at: number;
  readonly owner: Owner;
  readonly operation: ScriptedOperation;
}

/** A program in the numbers that the addon takes. */
export interface EncodedProgram {
  readonly tables: ProgramTables;
  /** What each instruction belongs to and does; a stream's passes follow an instruction that announces them. */
  readonly instructions: readonly { readonly owner: Owner; readonly work: Work }[];
  readonly stops: readonly Stop[];
}

/** Encodes a program for a native session, its maps assigned to buffers. */
export function encodeProgram(program: Program, packed: PackedNumbers): EncodedProgram {
  const { part, instructions, stops, convolutions, deciders, biases } = encodePart(program);
  const at = new PartPlacer().place(part);
  const numbers = {
    convolutions: convolutions.map((convolution) => packed.convolution(convolution)),
    deciders: deciders.map((decider) => packed.masker(decider)),
    biases: biases.map((bias) => packed.bias(bias)),
  };
  return {
    tables: joinParts([{ at, numbers }], program.input.id, program.output?.id),
    instructions: instructions.map(({ owner, operation }) => ({
      owner,
      work: operation ? workOf(operation) : [],
    })),
    stops,
  };
}

/** Steps to be encoded, with all that they refer to. */
type EncodedSteps = Pick<Program, 'maps' | 'masks' | 'regions' | 'halos' | 'steps' | 'given'>;

/** A part with what its numbers stand for. */
interface PartWithMeaning {
  readonly part: EncodedPart;
  /** What each instruction belongs to, and its operation; one that announces a stream has none. */
  readonly instructions: readonly { readonly owner: Owner; readonly operation?: Operation }[];
  readonly stops: readonly Stop[];
  /** By the part's own numbers. */
  readonly convolutions: readonly Convolution[];
  readonly deciders: readonly Decider[];
  readonly biases: readonly PixelBias[];
  /** How many values each bias has. */
  readonly biasCounts: readonly number[];
}

/**
 * Encodes steps that may stand anywhere in a program.
 * @param givenMaps how many of the maps, from the first, are another part's
 * @param givenMasks the same of masks
 */
export function encodePart(steps: EncodedSteps, givenMaps = 0, givenMasks = 0): PartWithMeaning {
  const { maps, masks, regions, halos } = steps;
  let count = 0;
  for (const { operations } of steps.steps) {
    if (operations.length > 1) count++;
    for (const { kind } of operations) if (kind !== 'ask' && kind !== 'foreign') count++;
  }
  const writer = new OperandWriter(count);
  const instructions: { owner: Owner; operation?: Operation }[] = [];
  const stepOf: number[] = [];
  const stops: Stop[] = [];
  const accesses: number[] = [];
  const first = maps.map(() => UNTOUCHED);
  const last = maps.map(() => UNTOUCHED);
  const touch = ({ id }: ProgramMap, step: number) => {
    if (first[id] === UNTOUCHED) first[id] = step;
    last[id] = step;
  };
  steps.steps.forEach(({ owner, operations, bandPixels = 0 }, step) => {
    const emit = (operation?: Operation) => {
      instructions.push(operation ? { owner, operation } : { owner });
      stepOf.push(step);
    };
    if (operations.length > 1) {
      emit();
      writer.begin('stream').number(operations.length).number(bandPixels);
    }
    for (const operation of operations) {
      const { reads, writes } = accessesOf(operation);
      for (const map of reads) touch(map, step);
      for (const map of writes) touch(map, step);
      if (operation.kind === 'ask' || operation.kind === 'foreign') {
        const at = instructions.length;
        stops.push({ at, owner, operation });
        for (const { id } of reads) accesses.push(at, id, access.read);
        for (const { id } of writes) accesses.push(at, id, access.write);
        if (operation.kind === 'ask') accesses.push(at, operation.mask.id, access.decide);
      } else {
        emit(operation);
        writeOperands(writer.begin(operation.kind), operation);
      }
    }
  });
  const listsOthers = regionsWithOthers(steps.steps);
  const regionTable = regions.flatMap((region) => [
    region.mask.id,
    region.reads?.of.id ?? NONE,
    region.reads ? writer.numberOf(region.reads.convolution) : NONE,
    region.height,
    region.width,
    listsOthers.has(region) ? 1 : 0,
  ]);
  const own = maps.slice(givenMaps);
  return {
    part: {
      ...{ givenMaps, givenMasks, steps: steps.steps.length },
      words: writer.words,
      references: writer.references,
      stepOf,
      shapes: own.flatMap(({ shape }) => shape),
      dtypes: own.map(({ dtype }) => dtype),
      ...{ first, last },
      masks: masks
        .slice(givenMasks)
        .flatMap(({ batch, rows, columns, height, width }) => [batch, rows, columns, height, width]),
      ...regionTables(
        regionTable,
        halos.flatMap(({ region, convolution }) => [region.id, writer.numberOf(convolution)]),
      ),
      decided: steps.given.map(({ id }) => id).filter((id) => id >= givenMasks),
      accesses,
      orders: writer.orders,
    },
    instructions,
    stops,
    convolutions: [...writer.convolutions.keys()],
    deciders: [...writer.deciders.keys()],
    biases: [...writer.biases.keys()],
    biasCounts: writer.biasCounts,
  };
}

/** Regions whose outside pixels some operation works on, and so wants listed. */
function regionsWithOthers(steps: readonly Step[]): ReadonlySet<ProgramRegion> {
  const found = new Set<ProgramRegion>();
  for (const { operations } of steps) {
    for (const operation of operations) {
      if (operation.kind === 'activate-others') found.add(operation.region);
      if (operation.kind === 'convolve' && operation.others) found.add(operation.region!);
    }
  }
  return found;
}
