import type { AttentionPool } from '../../network/attention.js';
import type { Convolution } from '../../network/network.js';
import { accessesOf } from '../../program/accesses.js';
import { planBuffers } from '../../program/buffers.js';
import { haloOf, packedRegion } from '../../program/layout.js';
import type { Decider, Operation, Owner, Program, ProgramMap, ProgramRegion } from '../../program/program.js';
import { type Work, workOf } from '../../program/work.js';
import { activationNumber } from '../activation-number.js';
import type { ScriptedOperation } from '../scripted.js';
import type { ProgramTables } from './addon.js';

/** Operations in the order of `Operation` in engine/native/infer/program.h, which documents their operands. */
const codes = [
  'convolve',
  'max-pool',
  'average-pool',
  'global-pool',
  'add',
  'grid-pool',
  'decide',
  'index',
  'gather',
  'scatter',
  'scatter-add',
  'activate-others',
  'excite',
  'stream',
] as const;

const INSTRUCTION_WORDS = 16;
/** How an attention's pools are numbered. */
const poolBits: Readonly<Record<AttentionPool, number>> = { mean: 1, max: 2 };
const layouts = ['map', 'packed', 'halo'] as const;

/** A convolution's thirteen sizes and its activation, as the addon takes them. */
export function geometryWords(convolution: Convolution): Int32Array {
  const { inChannels, outChannels, kernel, stride, padding, dilation, groups, activation } = convolution;
  return Int32Array.of(
    inChannels,
    outChannels,
    ...kernel,
    ...stride,
    ...padding,
    ...dilation,
    groups,
    activationNumber(activation),
  );
}

/** Numbers that a session gave to a network's packed parts. */
export interface PackedNumbers {
  convolution(convolution: Convolution): number;
  masker(decider: Decider): number;
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
  const { sizes, bufferOf } = planBuffers(program);
  const instructions: { owner: Owner; work: Work }[] = [];
  const words: number[] = [];
  const stops: Stop[] = [];
  // What JavaScript reads (0), writes (1) or decides (2) before an instruction.
  const accesses: number[] = [0, program.input.id, 1];
  for (const { id } of program.given) accesses.push(0, id, 2);
  const emit = (owner: Owner, kind: (typeof codes)[number], operands: readonly number[], work: Work) => {
    const row = [codes.indexOf(kind), ...operands];
    while (row.length < INSTRUCTION_WORDS) row.push(0);
    words.push(...row);
    instructions.push({ owner, work });
  };
  for (const { owner, operations, bandPixels = 0 } of program.steps) {
    if (operations.length > 1) emit(owner, 'stream', [operations.length, bandPixels], []);
    for (const operation of operations) {
      if (operation.kind === 'ask' || operation.kind === 'foreign') {
        const at = instructions.length;
        stops.push({ at, owner, operation });
        const { reads, writes } = accessesOf(operation);
        for (const { id } of reads) accesses.push(at, id, 0);
        for (const { id } of writes) accesses.push(at, id, 1);
        if (operation.kind === 'ask') accesses.push(at, operation.mask.id, 2);
      } else {
        emit(owner, operation.kind, operandsOf(operation, packed), workOf(operation));
      }
    }
  }
  if (program.output) accesses.push(instructions.length, program.output.id, 0);
  const listsOthers = regionsWithOthers(program);
  return {
    tables: [
      Float64Array.from(sizes),
      Int32Array.from(program.maps.flatMap(({ id, shape }) => [bufferOf[id]!, ...shape])),
      Int32Array.from(
        program.masks.flatMap(({ batch, rows, columns, height, width }) => [
          batch,
          rows,
          columns,
          height,
          width,
        ]),
      ),
      Int32Array.from(
        program.regions.flatMap((region) => [
          region.mask.id,
          region.reads?.of.id ?? -1,
          region.reads ? packed.convolution(region.reads.convolution) : -1,
          region.height,
          region.width,
          listsOthers.has(region) ? 1 : 0,
        ]),
      ),
      Int32Array.from(
        program.halos.flatMap(({ region, convolution }) => [region.id, packed.convolution(convolution)]),
      ),
      Int32Array.from(words),
      Int32Array.from(accesses),
    ],
    instructions,
    stops,
  };
}

/** Regions whose outside pixels some operation works on, and so wants listed. */
function regionsWithOthers({ steps }: Program): ReadonlySet<ProgramRegion> {
  const found = new Set<ProgramRegion>();
  for (const { operations } of steps) {
    for (const operation of operations) {
      if (operation.kind === 'activate-others') found.add(operation.region);
      if (operation.kind === 'convolve' && operation.others) found.add(operation.region!);
    }
  }
  return found;
}

const idOf = (entry: { readonly id: number } | undefined) => entry?.id ?? -1;
const layoutNumber = ({ layout }: ProgramMap) => layouts.indexOf(layout.kind);

function operandsOf(operation: Exclude<Operation, ScriptedOperation>, packed: PackedNumbers): number[] {
  switch (operation.kind) {
    case 'convolve': {
      const { convolution, source, destination, region, others, residual, activation } = operation;
      return [
        packed.convolution(convolution),
        source.id,
        destination.id,
        idOf(region),
        others ? 1 : 0,
        layoutNumber(source),
        layoutNumber(destination),
        idOf(residual),
        activationNumber(activation),
        source.layout.kind === 'halo' ? source.layout.halo.id : -1,
      ];
    }
    case 'max-pool':
    case 'average-pool': {
      const { source, destination, kernel, stride, padding, countPadding } = operation;
      return [source.id, destination.id, ...kernel, ...stride, ...padding, countPadding ? 1 : 0];
    }
    case 'global-pool':
      return [operation.source.id, operation.destination.id];
    case 'add': {
      const { a, b, destination, activation } = operation;
      return [a.id, idOf(b), destination.id, activationNumber(activation)];
    }
    case 'grid-pool': {
      const { source, pooled, mask, changed } = operation;
      return [source.id, pooled.id, mask.id, idOf(changed?.mask)];
    }
    case 'decide':
      return [operation.mask.id, packed.masker(operation.decider), operation.pooled.id];
    case 'index':
      return [operation.mask.id];
    case 'gather': {
      const { source, destination } = operation;
      return [source.id, destination.id, haloOf(destination).id];
    }
    case 'scatter': {
      const { source, destination } = operation;
      return [source.id, destination.id, packedRegion(source).id];
    }
    case 'scatter-add': {
      const { source, destination, region, shortcut, activation } = operation;
      return [
        source.id,
        destination.id,
        region.id,
        activationNumber(activation),
        shortcut.id,
        layoutNumber(source),
      ];
    }
    case 'activate-others': {
      const { map, region, activation } = operation;
      return [map.id, region.id, activationNumber(activation)];
    }
    case 'excite': {
      const { map, attention, pooledOver, scaled } = operation;
      const { pools, reduce, gate, spatial } = attention;
      return [
        map.id,
        idOf(scaled),
        layoutNumber(map),
        reduce ? packed.convolution(reduce) : -1,
        packed.convolution(gate),
        idOf(pooledOver),
        pools.reduce((bits, pool) => bits | poolBits[pool], 0),
        spatial ? packed.convolution(spatial) : -1,
      ];
    }
  }
}
