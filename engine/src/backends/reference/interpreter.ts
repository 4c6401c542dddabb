import { FoveaError } from '../../errors.js';
import { adaptivePool } from '../../mask/adaptive-pool.js';
import type { Asking } from '../../mask/ask.js';
import type { Masker } from '../../mask/mask.js';
import { receptiveRegion } from '../../mask/regions.js';
import type { ConvolutionActivation } from '../../network/network.js';
import type { LoweredNetwork } from '../../plan/lower.js';
import type { Plan } from '../../plan/plan.js';
import { haloOf, packedRegion } from '../../program/layout.js';
import type { Convolve, Excite, Operation, ProgramMap, ProgramRegion } from '../../program/program.js';
import { Tensor } from '../../tensor.js';
import { DecidedMasks } from '../decided-masks.js';
import { runForeign } from '../onnx/foreign.js';
import { activate } from './activate.js';
import { attend } from './attention.js';
import { convolve } from './convolve.js';
import { copyChannels, product, resized } from './joins.js';
import { mapped } from './mapped.js';
import { normalisedMap } from './normalise-map.js';
import { attendPixels } from './pixel-attention.js';
import { globalPool, poolWindows } from './pool.js';

/**
 * Runs programs operation by operation in plain loops: what each operation means, as code. Every map is held whole,
 * rows at the places of their pixels even where a backend would pack them, and pixels that hold no value are NaN: a
 * program that reads one shows it in its output.
 */
export class Interpreter {
  readonly #maps = new Map<ProgramMap, Tensor>();
  readonly masks: DecidedMasks;

  /** @param maskers by block index */
  constructor(
    readonly lowered: LoweredNetwork,
    plan: Plan,
    maskers: readonly Masker[],
    readonly threads: number,
    input: Tensor,
    asking: Asking = {},
  ) {
    this.masks = new DecidedMasks(lowered, plan, maskers, asking);
    this.#maps.set(lowered.program.input, new Tensor(input.shape, input.data.slice()));
  }

  /**
   * Runs one operation.
   * @throws FoveaError as maskers and foreign nodes do
   */
  async perform(operation: Operation): Promise<void> {
    switch (operation.kind) {
      case 'convolve':
        return this.#convolve(operation);
      case 'max-pool':
      case 'average-pool':
        return this.#write(operation.destination, poolWindows(this.value(operation.source), operation));
      case 'global-pool':
        return this.#write(operation.destination, globalPool(this.value(operation.source), 'mean'));
      case 'copy-channels': {
        const { source, destination } = operation;
        const before = this.#maps.get(destination) ?? Tensor.zeros(destination.shape);
        return this.#write(destination, copyChannels(this.value(source), before, operation));
      }
      case 'resize': {
        const { source, destination, interpolation } = operation;
        return this.#write(destination, resized(this.value(source), destination.shape, interpolation));
      }
      case 'normalise-map': {
        const { source, destination } = operation;
        return this.#write(destination, normalisedMap(this.value(source), operation));
      }
      case 'pixel-attention': {
        const { attention, query, key, value, destination } = operation;
        const maps = { key: this.value(key), value: this.value(value) };
        const read = query ? { ...maps, query: this.value(query) } : maps;
        return this.#write(destination, attendPixels(attention, read, destination.shape));
      }
      case 'multiply': {
        const { a, b, destination } = operation;
        return this.#write(destination, product(this.value(a), this.value(b)));
      }
      case 'add': {
        const { a, b, destination, activation } = operation;
        const second = b && this.value(b).data;
        const sum = mapped(this.value(a), (value, i) => activate(value + (second?.[i] ?? 0), activation));
        return this.#write(destination, sum);
      }
      case 'grid-pool': {
        const { source, pooled, mask } = operation;
        return this.#write(pooled, new Tensor(pooled.shape, adaptivePool(this.value(source), mask)));
      }
      case 'decide':
      case 'ask':
        return this.masks.decide(operation, this.value(operation.pooled).data);
      case 'foreign': {
        const { node, inputs, output } = operation;
        const values = inputs.map((input) => this.value(input));
        const result = await runForeign(node, values, {
          threads: this.threads,
          shape: operation.output?.shape,
        });
        if (!output) throw new UnknownShape(node.name, result);
        return this.#write(output, result);
      }
      case 'index':
        return this.masks.index(operation);
      case 'gather': {
        const { region, convolution } = haloOf(operation.destination);
        const source = this.value(operation.source);
        const [N, height, width] = source.shape;
        const read = receptiveRegion(this.pixels(region), N, region, convolution, { height, width });
        return this.#write(operation.destination, atPixels(source, read, source));
      }
      case 'scatter': {
        const { source, destination } = operation;
        const zeros = Tensor.zeros(destination.shape);
        return this.#write(
          destination,
          atPixels(this.value(source), this.pixels(packedRegion(source)), zeros),
        );
      }
      case 'scatter-add': {
        const { source, destination, region, shortcut, activation } = operation;
        const before = this.value(shortcut).data;
        const sum = mapped(this.value(source), (value, i) => activate(value + before[i]!, activation));
        return this.#write(destination, atPixels(sum, this.pixels(region), this.value(destination)));
      }
      case 'activate-others': {
        const { map, region, activation } = operation;
        const before = this.value(map);
        const changed = mapped(before, (value) => activate(value, activation));
        return this.#write(map, atPixels(changed, inverted(this.pixels(region)), before));
      }
      case 'excite':
        return this.#excite(operation);
      default:
        operation satisfies never;
    }
  }

  /** The values of a map. */
  value(map: ProgramMap): Tensor {
    const value = this.#maps.get(map);
    if (!value) throw new Error(`map ${map.id} is read before it is written`);
    return value;
  }

  /** The pixels of a region, 1 where it has one. */
  pixels(region: ProgramRegion): Uint8Array {
    return this.masks.pixels(region);
  }

  #write(map: ProgramMap, value: Tensor): void {
    this.#maps.set(map, value);
  }

  #convolve({ convolution, source, destination, region, others, residual, activation }: Convolve): void {
    const listed = region && this.pixels(region);
    const pixels = listed && others ? inverted(listed) : listed;
    // A residual is added before the activation.
    const own: ConvolutionActivation = residual ? 'none' : activation;
    const computed = convolve(this.value(source), { ...convolution, activation: own }, pixels);
    const shortcut = residual && this.value(residual).data;
    const result = shortcut
      ? mapped(computed, (value, i) => activate(value + shortcut[i]!, activation))
      : computed;
    this.#write(destination, pixels ? atPixels(result, pixels, this.#maps.get(destination)) : result);
  }

  #excite({ map, attention, pooledOver, scaled }: Excite): void {
    const values = this.value(map);
    const pixels = scaled && this.pixels(scaled);
    const product = attend(values, attention, pooledOver && this.pixels(pooledOver), pixels);
    this.#write(map, pixels ? atPixels(product, pixels, values) : product);
  }
}

/** A foreign node's output, whose shape the program had yet to learn. */
export class UnknownShape extends FoveaError {
  constructor(
    readonly node: string,
    readonly value: Tensor,
  ) {
    super('bad-shape', `the shape of what "${node}" writes was not known`);
  }
}

/** `values` at the given pixels, `elsewhere` at the others; NaN where nothing is elsewhere. */
function atPixels(values: Tensor, pixels: Uint8Array, elsewhere: Tensor | undefined): Tensor {
  const C = values.shape[3];
  return mapped(values, (value, i) => {
    if (pixels[Math.floor(i / C)]) return value;
    return elsewhere?.data[i] ?? Number.NaN;
  });
}

function inverted(pixels: Uint8Array): Uint8Array {
  return pixels.map((active) => 1 - active);
}
