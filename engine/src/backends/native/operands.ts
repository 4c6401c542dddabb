import type { AttentionPool } from '../../network/attention.js';
import type { Convolution } from '../../network/network.js';
import { mapStatistics } from '../../network/normalisation.js';
import {
  biasCount,
  type PixelAttention,
  type PixelBias,
  pixelWeightings,
} from '../../network/pixel-attention.js';
import { interpolations } from '../../network/sampling.js';
import { haloOf, packedRegion } from '../../program/layout.js';
import type {
  Decider,
  Operation,
  ProgramHalo,
  ProgramMap,
  ProgramMask,
  ProgramRegion,
} from '../../program/program.js';
import { activationNumber } from '../activation-number.js';
import type { ScriptedOperation } from '../scripted.js';
import { INSTRUCTION_WORDS, NONE, type Referred } from './encoded-part.js';

/** Operations in the order of `Operation` in engine/native/infer/program.h, which documents their operands. */
const codes = [
  'convolve',
  'max-pool',
  'average-pool',
  'global-pool',
  'copy-channels',
  'resize',
  'normalise-map',
  'pixel-attention',
  'multiply',
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

/** How an attention's pools are numbered. */
const poolBits: Readonly<Record<AttentionPool, number>> = { mean: 1, max: 2, response: 4 };
const layouts = ['map', 'packed', 'halo'] as const;

/** Writes instructions, operand by operand, each as what it is. */
export class OperandWriter {
  readonly words: Int32Array;
  readonly references: { at: number[]; to: Referred[] } = { at: [], to: [] };
  readonly convolutions = new Map<Convolution, number>();
  readonly deciders = new Map<Decider, number>();
  readonly biases = new Map<PixelBias, number>();
  /** How many values each of them has. */
  readonly biasCounts: number[] = [];
  /** Orders of the cells of masks, one behind the other. */
  readonly orders: number[] = [];
  #row = -INSTRUCTION_WORDS;
  #at = 0;

  constructor(instructions: number) {
    this.words = new Int32Array(instructions * INSTRUCTION_WORDS);
  }

  /** Begins the next instruction. */
  begin(kind: (typeof codes)[number]): this {
    this.#row += INSTRUCTION_WORDS;
    this.#at = this.#row;
    return this.number(codes.indexOf(kind));
  }

  number(value: number): this {
    this.words[this.#at++] = value;
    return this;
  }

  numbers(values: readonly number[]): this {
    for (const value of values) this.number(value);
    return this;
  }

  map(map: ProgramMap | undefined): this {
    return this.#refer('map', map?.id);
  }

  mask(mask: ProgramMask | undefined): this {
    return this.#refer('mask', mask?.id);
  }

  region(region: ProgramRegion | undefined): this {
    return this.#refer('region', region?.id);
  }

  halo(halo: ProgramHalo | undefined): this {
    return this.#refer('halo', halo?.id);
  }

  convolution(convolution: Convolution | undefined): this {
    return this.#refer('convolution', convolution && this.numberOf(convolution));
  }

  decider(decider: Decider): this {
    return this.#refer('decider', numberIn(this.deciders, decider));
  }

  bias(attention: PixelAttention): this {
    const { bias } = attention;
    if (!bias) return this.#refer('bias', undefined);
    const number = numberIn(this.biases, bias);
    this.biasCounts[number] = biasCount(attention, bias);
    return this.#refer('bias', number);
  }

  order(order: readonly number[] | undefined): this {
    if (!order) return this.#refer('order', undefined);
    const first = this.orders.length;
    for (const cell of order) this.orders.push(cell);
    return this.#refer('order', first);
  }

  numberOf(convolution: Convolution): number {
    return numberIn(this.convolutions, convolution);
  }

  #refer(to: Referred, number: number | undefined): this {
    if (number === undefined) return this.number(NONE);
    this.references.at.push(this.#at);
    this.references.to.push(to);
    return this.number(number);
  }
}

function numberIn<Named>(numbers: Map<Named, number>, named: Named): number {
  const number = numbers.get(named) ?? numbers.size;
  numbers.set(named, number);
  return number;
}

/** A number in single precision, as an operand holds it. */
const bitsOf = (value: number) => new Int32Array(Float32Array.of(value).buffer)[0]!;

const layoutNumber = ({ layout }: ProgramMap) => layouts.indexOf(layout.kind);

/** Writes the operands of an instruction that has been begun. */
export function writeOperands(to: OperandWriter, operation: Exclude<Operation, ScriptedOperation>): void {
  switch (operation.kind) {
    case 'convolve': {
      const { convolution, source, destination, region, others, residual, activation } = operation;
      to.convolution(convolution).map(source).map(destination).region(region);
      to.number(others ? 1 : 0)
        .number(layoutNumber(source))
        .number(layoutNumber(destination));
      to.map(residual).number(activationNumber(activation));
      to.halo(source.layout.kind === 'halo' ? source.layout.halo : undefined);
      return;
    }
    case 'max-pool':
    case 'average-pool': {
      const { source, destination, kernel, stride, padding, countPadding } = operation;
      to.map(source).map(destination).numbers(kernel).numbers(stride).numbers(padding);
      to.number(countPadding ? 1 : 0);
      return;
    }
    case 'global-pool':
      to.map(operation.source).map(operation.destination);
      return;
    case 'copy-channels': {
      const { source, destination, from, count, to: at } = operation;
      to.map(source).map(destination).number(from).number(count).number(at);
      return;
    }
    case 'resize':
      to.map(operation.source).map(operation.destination);
      to.number(interpolations.indexOf(operation.interpolation));
      return;
    case 'normalise-map': {
      const { source, destination, by, groups, epsilon } = operation;
      to.map(source).map(destination).number(mapStatistics.indexOf(by)).number(groups);
      to.number(bitsOf(epsilon));
      return;
    }
    case 'pixel-attention': {
      const { attention, query, key, value, destination } = operation;
      const { by, heads, depth, width, scale, epsilon, patch, windows } = attention;
      to.map(query).map(key).map(value).map(destination);
      to.numbers([pixelWeightings.indexOf(by), heads, depth, width]);
      for (const channels of [attention.query ?? attention.key, attention.key, attention.value])
        to.number(channels.first).number(channels.step);
      to.number(bitsOf(scale)).number(bitsOf(epsilon)).numbers(patch);
      to.numbers(windows?.extent ?? [0, 0]).numbers(windows?.shift ?? [0, 0]);
      to.number(bitsOf(windows?.apart ?? 0)).bias(attention);
      return;
    }
    case 'multiply':
      to.map(operation.a).map(operation.b).map(operation.destination);
      return;
    case 'add': {
      const { a, b, destination, activation } = operation;
      to.map(a).map(b).map(destination).number(activationNumber(activation));
      return;
    }
    case 'grid-pool': {
      const { source, pooled, mask, changed } = operation;
      to.map(source).map(pooled).mask(mask).mask(changed?.mask);
      return;
    }
    case 'decide':
      to.mask(operation.mask).decider(operation.decider).map(operation.pooled);
      return;
    case 'index':
      to.mask(operation.mask).order(operation.order);
      return;
    case 'gather': {
      const { source, destination } = operation;
      to.map(source).map(destination).halo(haloOf(destination));
      return;
    }
    case 'scatter': {
      const { source, destination } = operation;
      to.map(source).map(destination).region(packedRegion(source));
      return;
    }
    case 'scatter-add': {
      const { source, destination, region, shortcut, activation } = operation;
      to.map(source).map(destination).region(region).number(activationNumber(activation));
      to.map(shortcut).number(layoutNumber(source));
      return;
    }
    case 'activate-others': {
      const { map, region, activation } = operation;
      to.map(map).region(region).number(activationNumber(activation));
      return;
    }
    case 'excite': {
      const { map, attention, pooledOver, scaled } = operation;
      const { pools, epsilon = 0, reduce, gate, spatial } = attention;
      to.map(map).region(scaled).number(layoutNumber(map)).convolution(reduce).convolution(gate);
      to.region(pooledOver).number(pools.reduce((bits, pool) => bits | poolBits[pool], 0));
      to.convolution(spatial).number(bitsOf(epsilon));
      return;
    }
    default:
      operation satisfies never;
  }
}
