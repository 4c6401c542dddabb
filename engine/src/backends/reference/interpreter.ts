import { FoveaError } from '../../errors.js';
import { decideMask } from '../../mask/decide.js';
import { spreadCells } from '../../mask/geometry.js';
import { learnedMasker } from '../../mask/learned.js';
import type { Mask, Masker } from '../../mask/mask.js';
import { adaptivePool } from '../../mask/pool.js';
import { receptiveRegion } from '../../mask/regions.js';
import { saliencyMasker } from '../../mask/saliency.js';
import type { Activation } from '../../network/network.js';
import type { LoweredNetwork } from '../../plan/lower.js';
import type { Plan } from '../../plan/plan.js';
import type { AdaptiveBlock } from '../../primitives/network-lowering.js';
import { haloOf, packedRegion } from '../../program/layout.js';
import type { Operation, ProgramMap, ProgramMask, ProgramRegion } from '../../program/program.js';
import { Tensor } from '../../tensor.js';
import { runForeign } from '../onnx/foreign.js';
import { activate } from './activate.js';
import { convolve } from './convolve.js';
import { globalPool, poolWindows } from './pool.js';

type Convolve = Extract<Operation, { kind: 'convolve' }>;
type Excite = Extract<Operation, { kind: 'excite' }>;

/**
 * Runs programs operation by operation in plain loops: what each operation means, as code. Every map is held whole,
 * rows at the places of their pixels even where a backend would pack them, and pixels that hold no value are NaN: a
 * program that reads one shows it in its output.
 */
export class Interpreter {
  readonly #maps = new Map<ProgramMap, Tensor>();
  readonly #regions = new Map<ProgramRegion, Uint8Array>();
  readonly #masks = new Map<ProgramMask, Mask>();
  readonly #adaptive: ReadonlyMap<ProgramMask, AdaptiveBlock>;

  /** @param maskers by block index */
  constructor(
    readonly lowered: LoweredNetwork,
    readonly plan: Plan,
    readonly maskers: readonly Masker[],
    readonly threads: number,
    input: Tensor,
  ) {
    const adaptive = [...lowered.adaptive.values()];
    this.#adaptive = new Map(adaptive.map((block) => [block.mask, block]));
    this.#maps.set(lowered.program.input, new Tensor(input.shape, input.data.slice()));
  }

  /** Decides the masks for which nothing of the run is needed. */
  async begin(): Promise<void> {
    for (const { mask, decision } of this.#adaptive.values())
      if (decision.by === 'given') await this.#decide(mask, this.maskers, undefined);
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
        return this.#write(operation.destination, globalPool(this.value(operation.source)));
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
      case 'decide': {
        const { mask, pooled, decider } = operation;
        const masker = decider.kind === 'learned' ? learnedMasker() : saliencyMasker(decider.rate);
        const { block } = this.#adaptive.get(mask)!;
        return this.#decide(mask, { [block.index]: masker }, pooled);
      }
      case 'ask':
        return this.#decide(operation.mask, this.maskers, operation.pooled);
      case 'foreign': {
        const { node, inputs, output } = operation;
        const values = inputs.map((input) => this.value(input));
        const result = await runForeign(node, values, { threads: this.threads });
        if (!output) throw new UnknownShape(node.name, result);
        return this.#write(output, result);
      }
      case 'index':
        for (const region of this.lowered.program.regions)
          if (region.mask === operation.mask) this.#regions.set(region, this.#pixelsOf(region));
        return;
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
    const pixels = this.#regions.get(region);
    if (!pixels) throw new Error(`region ${region.id} is used before mask ${region.mask.id} is indexed`);
    return pixels;
  }

  mask(mask: ProgramMask): Mask {
    const decided = this.#masks.get(mask);
    if (!decided) throw new Error(`mask ${mask.id} is used before it is decided`);
    return decided;
  }

  #write(map: ProgramMap, value: Tensor): void {
    this.#maps.set(map, value);
  }

  #convolve({ convolution, source, destination, region, others, residual, activation }: Convolve): void {
    const listed = region && this.pixels(region);
    const pixels = listed && others ? inverted(listed) : listed;
    // A residual is added before the activation.
    const own: Activation = residual ? 'none' : activation;
    const computed = convolve(this.value(source), { ...convolution, activation: own }, pixels);
    const shortcut = residual && this.value(residual).data;
    const result = shortcut
      ? mapped(computed, (value, i) => activate(value + shortcut[i]!, activation))
      : computed;
    this.#write(destination, pixels ? atPixels(result, pixels, this.#maps.get(destination)) : result);
  }

  #excite({ map, reduce, expand, pooledOver, scaled }: Excite): void {
    const values = this.value(map);
    const [, H, W, C] = values.shape;
    const pooled = globalPool(values, pooledOver && this.pixels(pooledOver));
    const scale = convolve(convolve(pooled, reduce), expand).data;
    const product = mapped(values, (value, i) => value * scale[Math.floor(i / (H * W * C)) * C + (i % C)]!);
    this.#write(map, scaled ? atPixels(product, this.pixels(scaled), values) : product);
  }

  async #decide(
    mask: ProgramMask,
    maskers: Readonly<Record<number, Masker>>,
    pooled: ProgramMap | undefined,
  ): Promise<void> {
    const { block, shape } = this.#adaptive.get(mask)!;
    const { granularity } = this.plan.blocks[block.index]!;
    const read = () => (pooled ? this.value(pooled).data : new Float32Array(0));
    this.#masks.set(
      mask,
      await decideMask(maskers[block.index]!, block, shape, mask.batch, granularity, read),
    );
  }

  #pixelsOf({ mask, reads, height, width }: ProgramRegion): Uint8Array {
    if (!reads) return spreadCells(this.mask(mask).cells, mask, mask.batch, height, width);
    return receptiveRegion(this.pixels(reads.of), mask.batch, reads.of, reads.convolution, { height, width });
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

function mapped(input: Tensor, change: (value: number, index: number) => number): Tensor {
  const output = Tensor.zeros(input.shape);
  for (let i = 0; i < input.data.length; i++) output.data[i] = change(input.data[i]!, i);
  return output;
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
