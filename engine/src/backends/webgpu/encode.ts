import type { AttentionPool } from '../../network/attention.js';
import { haloOf, packedRegion } from '../../program/layout.js';
import type {
  Decider,
  Excite,
  Operation,
  OperationOf,
  Program,
  ProgramMap,
  ProgramMask,
} from '../../program/program.js';
import { type Work, workOf } from '../../program/work.js';
import type { ScriptedOperation } from '../scripted.js';
import { detached } from './detached.js';
import { encodeAttention, scratchOf } from './encode-attention.js';
import { encodeConvolution, encodeNormalisation } from './encode-convolution.js';
import { encodeFusion } from './encode-fusion.js';
import { encodeCopyChannels, encodeMultiply, encodeResize } from './encode-joins.js';
import { encodeNormaliseMap, statisticsScratch } from './encode-normalise-map.js';
import { attendedScratch, encodePixelAttention } from './encode-pixel-attention.js';
import { everywhere, pixelsOf } from './everywhere.js';
import { partsOf } from './fusions.js';
import { haloWindow } from './halo.js';
import { GROUP, type Kernel, NONE, spread, vectors } from './kernel.js';
import { activationKind, activationValues } from './kernels/activation.js';

import {
  activateOthersKernel,
  addKernel,
  gatherKernel,
  type Operand,
  scatterAddKernel,
  scatterKernel,
} from './kernels/maps.js';
import { indexKernel, learnedKernel, orderedIndexKernel } from './kernels/masks.js';
import { salientKernel } from './kernels/salient.js';
import { gridKernel, type Lanes, windowKernel } from './kernels/windows.js';
import {
  type BufferUse,
  type Launch,
  type Pass,
  type Rows,
  rowValues,
  type Stop,
  workgroupsFor,
} from './launch.js';
import { type List, Lists } from './lists.js';
import { slicesOf } from './slices.js';
import { DispatchSlots } from './slots.js';
import { mostWork } from './submission-bound.js';
import { type Choice, ruled } from './variants.js';

/** A program as dispatches, and what they need besides maps and weights. */
export interface EncodedProgram {
  /** As dispatches compute it, which may need more maps than the program that was encoded. */
  readonly program: Program;
  readonly passes: readonly Pass[];
  readonly stops: readonly Stop[];
  readonly lists: Lists;
  readonly slots: DispatchSlots;
  /** Vectors of float32 that attention needs. */
  readonly scratch: number;
}

/** A window this large is read by several invocations. */
const LARGE_WINDOW = 48;

/**
 * Turns a program into dispatches: one for each operation but the few that need a value of all that is before.
 * @param lowered what was made of a plan
 * @param choice how convolutions are computed
 */
export function encodeProgram(lowered: Program, choice: Choice = ruled): EncodedProgram {
  const { program, copying } = detached(lowered, choice);
  const lists = new Lists(program);
  const encoder = new Encoder(lists, choice, copying);
  const sliced: Pass[] = [];
  const stops: Stop[] = [];
  const indexed = new Map<Pass, ProgramMask>();
  for (const { owner, operations } of program.steps) {
    const [first] = operations;
    if (first!.kind === 'ask' || first!.kind === 'foreign') {
      stops.push({ at: sliced.length, owner, operation: first as ScriptedOperation });
      continue;
    }
    const launches = encoder.step(operations as readonly Exclude<Operation, ScriptedOperation>[]);
    const pass = { owner, work: operations.flatMap(workOf), launches, slices: slicesOf(launches, lists) };
    sliced.push(pass);
    if (first!.kind === 'index') indexed.set(pass, first!.mask);
  }
  // Once a mask's lists are made, all dispatches over them follow from their counts.
  const slots = new DispatchSlots(
    lists,
    sliced.flatMap(({ launches, slices }) => [...launches, ...slices.flatMap((slice) => slice.launches)]),
  );
  const passes = sliced.map((pass) => {
    const mask = indexed.get(pass);
    if (!mask) return pass;
    const launches = [...pass.launches, ...slots.launches(mask)];
    return { ...pass, launches, slices: slicesOf(launches, lists) };
  });
  return { program, passes, stops, lists, slots, scratch: encoder.scratch };
}

/** Dispatches that do so much together. */
function withWork(launches: readonly Launch[], work: Work): Launch[] {
  const each = mostWork(work) / launches.length;
  return launches.map((launch) => ({ ...launch, work: each }));
}

class Encoder {
  scratch = 0;

  constructor(
    readonly lists: Lists,
    readonly choice: Choice,
    readonly copying: ReadonlySet<Operation>,
  ) {}

  /** The dispatches of a step: those of each operation, or one for several where a kernel does them together. */
  step(operations: readonly Exclude<Operation, ScriptedOperation>[]): Launch[] {
    return partsOf(operations, this.choice).flatMap((part) => {
      if ('operation' in part) {
        const { operation } = part;
        const launches = withWork(this.launches(operation), workOf(operation));
        return operation.kind === 'convolve'
          ? [...launches, ...encodeNormalisation(operation, this.lists)]
          : launches;
      }
      const { fusion, tile } = part;
      const copies = this.copying.has(fusion.operations.at(-1)!);
      const launch = encodeFusion(fusion, this.lists, tile, copies);
      return withWork([launch], fusion.operations.flatMap(workOf));
    });
  }

  launches(operation: Exclude<Operation, ScriptedOperation>): Launch[] {
    switch (operation.kind) {
      case 'convolve': {
        const launch = encodeConvolution(operation, this.lists, this.choice.one(operation));
        const byRule = this.choice.byRule(operation);
        return [byRule ? { ...launch, effort: { ...launch.effort!, byRule } } : launch];
      }
      case 'max-pool':
      case 'average-pool':
        return [this.#windows(operation)];
      case 'global-pool': {
        const { source, destination } = operation;
        return [this.#grid(source, { map: destination }, { rows: 1, columns: 1 })];
      }
      case 'copy-channels':
        return [encodeCopyChannels(operation)];
      case 'resize':
        return [encodeResize(operation)];
      case 'normalise-map':
        this.scratch = Math.max(this.scratch, statisticsScratch(operation));
        return encodeNormaliseMap(operation);
      case 'pixel-attention':
        this.scratch = Math.max(this.scratch, attendedScratch(operation));
        return encodePixelAttention(operation);
      case 'multiply':
        return [encodeMultiply(operation)];
      case 'add':
        return [this.#add(operation)];
      case 'grid-pool': {
        const { source, pooled, mask, changed } = operation;
        const cells = changed ? this.lists.firstCell[changed.mask.id]! : NONE;
        return [this.#grid(source, { map: pooled }, mask, { cells })];
      }
      case 'decide':
        return [this.#decide(operation.mask, operation.pooled, operation.decider)];
      case 'index':
        return this.#index(operation.mask);
      case 'gather':
        return [this.#gather(operation)];
      case 'scatter': {
        const { source, destination } = operation;
        const { positions } = this.lists.of(packedRegion(source));
        return [
          everywhere(
            scatterKernel,
            destination,
            { positions },
            { source: { map: source }, destination: { map: destination }, lists: 'lists' },
          ),
        ];
      }
      case 'scatter-add':
        return [this.#scatterAdd(operation)];
      case 'activate-others': {
        const { map, region, activation } = operation;
        const rows = { count: pixelsOf(map), list: this.lists.of(region), others: true };
        return [
          this.#perRow(
            activateOthersKernel(activationKind(activation)),
            rows,
            map,
            activationValues({ activated: activation }),
            { map: { map } },
          ),
        ];
      }
      case 'excite':
        return this.#excite(operation);
    }
  }

  /** A dispatch with an item for each vector of the rows. */
  #perRow(
    kernel: Kernel,
    rows: Rows,
    { shape }: ProgramMap,
    parameters: Readonly<Record<string, number>>,
    buffers: Readonly<Record<string, BufferUse>>,
    itemsPerVector = 1,
  ): Launch {
    const width = vectors(shape[3]);
    return {
      kernel,
      parameters: { ...rowValues(rows), vectors: width, ...parameters },
      buffers: { lists: 'lists', counters: 'counters', ...buffers },
      workgroups: workgroupsFor(rows, width * itemsPerVector),
    };
  }

  #windows({
    kind,
    source,
    destination,
    kernel,
    stride,
    padding,
    countPadding,
  }: OperationOf<'max-pool' | 'average-pool'>): Launch {
    const [, height, width] = source.shape;
    const [, outHeight, outWidth] = destination.shape;
    const [top, left, bottom, right] = padding;
    return everywhere(
      windowKernel(kind),
      destination,
      {
        ...{ height, width, outHeight, outWidth, kernelHeight: kernel[0], kernelWidth: kernel[1] },
        ...{ strideY: stride[0], strideX: stride[1], top, left, bottom, right },
        countPadding: countPadding ? 1 : 0,
      },
      { source: { map: source }, destination: { map: destination } },
    );
  }

  /** Mean, or maximum, over the windows of a grid; `list`: over its pixels only; `first`: where it is written, in vectors. */
  #grid(
    source: ProgramMap,
    destination: BufferUse,
    { rows, columns }: { readonly rows: number; readonly columns: number },
    {
      cells = NONE,
      list,
      pool = 'mean',
      first = 0,
    }: {
      readonly cells?: number;
      readonly list?: List | undefined;
      readonly pool?: AttentionPool;
      readonly first?: number;
    } = {},
  ): Launch {
    const [N, height, width, C] = source.shape;
    const items = N * rows * columns * vectors(C);
    const lanes: Lanes = Math.ceil(height / rows) * Math.ceil(width / columns) >= LARGE_WINDOW ? 16 : 1;
    const [x, z] = spread(Math.ceil(items / (GROUP / lanes)));
    return {
      kernel: gridKernel(lanes, typeof destination === 'string' ? 'vec4f' : 'Value', pool),
      parameters: {
        ...{ items, vectors: vectors(C), height, width, gridRows: rows, gridColumns: columns, cells, first },
        positions: list?.positions ?? NONE,
        packed: source.layout.kind === 'packed' ? 1 : 0,
      },
      buffers: { source: { map: source }, destination, lists: 'lists', cells: 'cells' },
      workgroups: [x, 1, z],
    };
  }

  #add({ a, b, destination, activation }: OperationOf<'add'>): Launch {
    const operand = (map: ProgramMap | undefined): Operand =>
      map === undefined ? 'none' : map === destination ? 'overwritten' : 'own';
    const [first, second] = [operand(a), operand(b)];
    return everywhere(
      addKernel(first, second, activationKind(activation)),
      destination,
      activationValues({ activated: activation }),
      {
        destination: { map: destination },
        ...(first === 'own' ? { a: { map: a } } : {}),
        ...(second === 'own' ? { b: { map: b! } } : {}),
      },
    );
  }

  #decide({ id, batch, rows, columns }: ProgramMask, pooled: ProgramMap, decider: Decider): Launch {
    const channels = pooled.shape[3];
    const first = this.lists.firstCell[id]!;
    const shared = { vectors: vectors(channels), channels, first };
    const buffers = { pooled: { map: pooled }, cells: 'cells', margins: 'margins' } as const;
    const plane = rows * columns;
    if (decider.kind === 'salient') {
      const kept = Math.round(decider.rate * plane);
      const [x, z] = spread(batch);
      return {
        kernel: salientKernel(plane),
        parameters: { ...shared, images: batch, plane, kept },
        buffers,
        workgroups: [x, 1, z],
      };
    }
    const [x, z] = spread(Math.ceil((batch * plane) / 16));
    return {
      kernel: learnedKernel,
      parameters: { ...shared, items: batch * plane },
      buffers: { ...buffers, weights: { masker: decider.block } },
      workgroups: [x, 1, z],
    };
  }

  #index(mask: ProgramMask): Launch[] {
    return this.lists.groupsOf(mask).map(({ firstList, count, pixels, ordered }) => ({
      kernel: ordered ? orderedIndexKernel : indexKernel,
      parameters: { firstList },
      buffers: { table: 'listTable', cells: 'cells', lists: 'lists', counters: 'counters' } as const,
      workgroups: [...spread(Math.ceil(pixels / GROUP)), count] as const,
    }));
  }

  #gather({ source, destination }: OperationOf<'gather'>): Launch {
    const halo = haloOf(destination);
    const { mask } = halo.region;
    const { stride, padding } = halo.convolution;
    const { height: cellHeight, width: cellWidth } = haloWindow(halo);
    const list = this.lists.cellsOf(halo);
    return this.#perRow(
      gatherKernel,
      { count: list.pixels, list },
      source,
      {
        ...{ height: source.shape[1], width: source.shape[2], cellHeight, cellWidth },
        ...{ gridRows: mask.rows, gridColumns: mask.columns, outHeight: mask.height, outWidth: mask.width },
        ...{ strideY: stride[0], strideX: stride[1], top: padding[0], left: padding[1] },
      },
      { source: { map: source }, destination: { map: destination } },
      cellHeight * cellWidth,
    );
  }

  #scatterAdd({ source, destination, region, shortcut, activation }: OperationOf<'scatter-add'>): Launch {
    const how = shortcut === destination ? 'overwritten' : 'own';
    return this.#perRow(
      scatterAddKernel(how, activationKind(activation)),
      { count: pixelsOf(destination), list: this.lists.of(region) },
      destination,
      {
        packed: source.layout.kind === 'packed' ? 1 : 0,
        ...activationValues({ activated: activation }),
      },
      {
        source: { map: source },
        destination: { map: destination },
        ...(how === 'own' ? { shortcut: { map: shortcut } } : {}),
      },
    );
  }

  #excite(operation: Excite): Launch[] {
    const { map, attention, pooledOver } = operation;
    const { pooled, size } = scratchOf(operation);
    this.scratch = Math.max(this.scratch, size);
    const list = pooledOver && this.lists.of(pooledOver);
    const grid = { rows: 1, columns: 1 };
    return [
      ...attention.pools.map((pool, i) =>
        this.#grid(map, 'scratch', grid, { list, pool, first: pooled[i]! }),
      ),
      ...encodeAttention(operation, this.lists),
    ];
  }
}
