import { expectArgument, expectFields, expectOptional } from '../../arguments/expect.js';
import { aCount, anObject, aText, later, listOf } from '../../arguments/kinds.js';
import { said } from '../../arguments/said.js';
import { didYouMean } from '../../did-you-mean.js';
import { FoveaError } from '../../errors.js';
import { getDevice } from '../devices.js';
import type { PublishedBlock } from './block.js';
import { channelBlock, layerBlock, maskerConvolution, spatialBlock, staticBlock } from './block.js';
import { convolution, patchConvolution } from './convolution.js';
import { add, averagePool, gather, scatter, scatterAdd } from './movement.js';
import { networkCost } from './network.js';
import { publishedStages } from './networks.js';
import type { Cost, Machine } from './tiles.js';
import { machineOf } from './tiles.js';
import { excitation, fullyConnected, patchExcitation } from './vectors.js';

/** One row of a table of simulator outputs: an operator or a block on a device. */
export interface ReferenceRow {
  readonly op: string;
  readonly hardware: string;
  readonly batch: number;
  readonly config: Readonly<Record<string, unknown>>;
  readonly latency_s?: number;
  readonly [field: string]: unknown;
}

/** A table of simulator outputs: rows, and totals of whole networks by the name of the figure. */
export interface ReferenceTable {
  readonly rows?: readonly ReferenceRow[];
  readonly networks?: readonly Readonly<Record<string, unknown>>[];
  readonly [field: string]: unknown;
}

/** Reads numbers out of a row's `config`, checked. */
class Config {
  constructor(
    private readonly op: string,
    private readonly values: Readonly<Record<string, unknown>>,
  ) {}

  private read(name: string, fallback: number | undefined): number {
    const value = this.values[name] ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw new FoveaError('bad-argument', `row '${this.op}': ${name} is ${said(value)}, expected a number`);
    }
    return value;
  }

  count(name: string, fallback?: number): number {
    const value = this.read(name, fallback);
    if (!Number.isInteger(value) || value < 1) {
      throw new FoveaError(
        'bad-argument',
        `row '${this.op}': ${name} is ${value}, expected an integer of at least 1`,
      );
    }
    return value;
  }

  fraction(name: string): number {
    const value = this.read(name, undefined);
    if (value < 0 || value > 1) {
      throw new FoveaError('bad-argument', `row '${this.op}': ${name} is ${value}, expected 0…1`);
    }
    return value;
  }

  /** Pixels of halo: 0 or more. */
  halo(name: string): number {
    const value = this.read(name, 0);
    if (!Number.isInteger(value) || value < 0) {
      throw new FoveaError(
        'bad-argument',
        `row '${this.op}': ${name} is ${value}, expected an integer of at least 0`,
      );
    }
    return value;
  }

  flag(name: string, fallback: boolean): boolean {
    return Boolean(this.values[name] ?? fallback);
  }

  text(name: string): string {
    const value = this.values[name];
    if (typeof value !== 'string') {
      throw new FoveaError('bad-argument', `row '${this.op}': ${name} is ${said(value)}, expected a string`);
    }
    return value;
  }

  get convolution() {
    return {
      inChannels: this.count('cin'),
      outChannels: this.count('cout'),
      height: this.count('h'),
      width: this.count('w'),
      kernel: this.count('ks', 1),
      stride: this.count('stride', 1),
      groups: this.count('groups', 1),
    };
  }

  get map() {
    return { channels: this.count('c'), height: this.count('h'), width: this.count('w') };
  }

  get patches() {
    return { granularity: this.count('S'), rate: this.fraction('r') };
  }

  get block(): PublishedBlock {
    const stages = publishedStages(this.text('net'));
    const stage = stages[this.count('stage') - 1];
    if (!stage) {
      throw new FoveaError(
        'bad-argument',
        `row '${this.op}': stage ${this.count('stage')} of ${this.text('net')}, which has ${stages.length}`,
      );
    }
    return this.flag('first', false) ? stage.first : stage.rest;
  }
}

const operators: Readonly<Record<string, (machine: Machine, config: Config) => Cost>> = {
  conv: (machine, config) => convolution(machine, config.convolution),
  dynamic_conv: (machine, config) =>
    patchConvolution(machine, config.convolution, {
      ...config.patches,
      indexed: config.flag('with_indexing', true),
    }),
  gather: (machine, config) => gather(machine, config.map, { ...config.patches, halo: config.halo('pad') }),
  scatter: (machine, config) => scatter(machine, config.map, config.patches),
  scatter_add: (machine, config) => scatterAdd(machine, config.map, config.patches),
  add: (machine, config) => add(machine, config.map),
  avg_pool: (machine, config) =>
    averagePool(machine, config.map, config.count('outH', 1), config.count('outW', 1)),
  fc: (machine, config) => fullyConnected(machine, config.count('cin'), config.count('cout')),
  se: (machine, config) => excitation(machine, config.map, config.count('squeeze')),
  dynamic_se: (machine, config) =>
    patchExcitation(machine, config.map, config.count('squeeze'), config.patches),
  masker_conv1: (machine, config) => maskerConvolution(machine, config.convolution, config.patches),
  block_static: (machine, config) => staticBlock(machine, config.block),
  block_spatial: (machine, config) => spatialBlock(machine, config.block, config.patches),
  block_layer: (machine, config) => layerBlock(machine, config.block, config.fraction('r')),
  block_channel: (machine, config) =>
    channelBlock(machine, config.block, { granularity: config.count('G', 1), rate: config.fraction('c') }),
};

/** Names of the operators that a row may hold. */
export const rowOperators: readonly string[] = Object.keys(operators);

/**
 * Predicts a row from its `op`, `hardware`, `batch` and `config`.
 * @throws FoveaError `unknown-name` for an operator, device or network there is none of, `bad-argument`
 */
export function predictRow(row: ReferenceRow): Cost {
  expectArgument(row, anObject, 'predictRow: row');
  expectArgument(row.op, aText, 'predictRow: op');
  const operator = Object.hasOwn(operators, row.op) ? operators[row.op] : undefined;
  if (!operator) {
    throw new FoveaError(
      'unknown-name',
      `op '${row.op}' is not one of the published: ${rowOperators.join(', ')}${didYouMean(row.op, rowOperators)}`,
    );
  }
  expectArgument(row.config, anObject, `row '${row.op}': config`);
  expectOptional(row.batch, aCount, `row '${row.op}': batch`);
  const device = getDevice(row.hardware);
  const config = new Config(row.op, row.config);
  const batch = row.batch ?? device.nominalBatch;
  return operator(machineOf(device, batch), config);
}

/** The row with every figure that it holds replaced by the prediction. */
function recomputeRow(row: ReferenceRow): ReferenceRow {
  const cost = predictRow(row);
  const batch = row.batch ?? getDevice(row.hardware).nominalBatch;
  const values: Record<string, unknown> = {
    latency_s: cost.latency,
    latency_us_per_image: (cost.latency / batch) * 1e6,
    compute_latency_s: cost.compute,
    memory_latency_s: cost.memory,
  };
  if (cost.tile) {
    const { channels, height, width, patches, count } = cost.tile;
    values.best_tile = {
      c_tile: channels,
      h_tile: height,
      w_tile: width,
      ...(patches === undefined ? {} : { n_patches_parallel: patches }),
      n_tiles: count,
    };
  }
  return {
    ...row,
    ...Object.fromEntries(Object.entries(values).filter(([field]) => field === 'latency_s' || field in row)),
  };
}

/**
 * All bottleneck blocks of a published network, ms an image.
 * @param figure `static`, `spatial_S8-4-7-1_r0.5`, `layer_r0.5` or `channel_G2-2-2-2_c0.5`
 * @param batch the device's nominal batch when left out
 * @throws FoveaError `unknown-name` for a device, network or figure there is none of, `bad-argument`
 */
export function predictFigure(hardware: string, net: string, figure: string, batch?: number): number {
  expectArgument(net, aText, 'predictFigure: net');
  expectArgument(figure, aText, 'predictFigure: figure');
  expectOptional(batch, aCount, 'predictFigure: batch');
  const device = getDevice(hardware);
  const images = batch ?? device.nominalBatch;
  return (networkCost(machineOf(device, images), net, figure) * 1e3) / images;
}

/** The network entry with every figure, each known by its name, replaced by the prediction. */
function recomputeNetwork(entry: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const batch = typeof entry.batch === 'number' ? entry.batch : undefined;
  return Object.fromEntries(
    Object.entries(expectArgument(entry, anObject, 'recomputeTable: networks')).map(([field, value]) =>
      field.endsWith('_ms_per_image')
        ? [field, predictFigure(entry.hardware as string, entry.net as string, field, batch)]
        : [field, value],
    ),
  );
}

/**
 * Recomputes every row and every network total of a table shaped like the published reference.
 * @returns the same document with the computed values in place
 * @throws FoveaError as `predictRow`; `bad-file` when the document has neither rows nor networks
 */
export function recomputeTable(table: ReferenceTable): ReferenceTable {
  expectArgument(table, later, 'recomputeTable: table');
  const isTable = typeof table === 'object' && table !== null;
  if (!isTable || (!Array.isArray(table.rows) && !Array.isArray(table.networks))) {
    throw new FoveaError('bad-file', 'a table of rows needs a list called rows or networks');
  }
  expectFields(
    table,
    { rows: listOf(anObject, 'rows'), networks: listOf(anObject, 'entries') },
    'recomputeTable: table',
  );
  return {
    ...table,
    ...(table.rows && { rows: table.rows.map(recomputeRow) }),
    ...(table.networks && { networks: table.networks.map(recomputeNetwork) }),
  };
}
