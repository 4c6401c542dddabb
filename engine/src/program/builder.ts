import type { Convolution } from '../network/network.js';
import type { Shape } from '../tensor.js';
import type { Dtype } from './dtype.js';
import type {
  Layout,
  Operation,
  Owner,
  Program,
  ProgramHalo,
  ProgramMap,
  ProgramMask,
  ProgramRegion,
  Step,
} from './program.js';

/** Collects a program. Every map is a separate value: memory is planned once the program is finished. */
export class ProgramBuilder {
  readonly #maps: ProgramMap[] = [];
  readonly #masks: ProgramMask[] = [];
  readonly #regions: ProgramRegion[] = [];
  readonly #halos: ProgramHalo[] = [];
  readonly #steps: Step[] = [];
  /** What there is so far: the lists grow. */
  readonly made: Pick<Program, 'maps' | 'masks' | 'regions' | 'halos' | 'steps'> = {
    maps: this.#maps,
    masks: this.#masks,
    regions: this.#regions,
    halos: this.#halos,
    steps: this.#steps,
  };
  /** A stream that still waits for operations. */
  #stream: { readonly operations: Operation[]; readonly count: number } | undefined;

  map(shape: Shape, layout: Layout = { kind: 'map' }, dtype: Dtype = 'f32'): ProgramMap {
    const map = { id: this.#maps.length, shape, dtype, layout };
    this.#maps.push(map);
    return map;
  }

  mask(batch: number, rows: number, columns: number, height: number, width: number): ProgramMask {
    const mask = { id: this.#masks.length, batch, rows, columns, height, width };
    this.#masks.push(mask);
    return mask;
  }

  /** A mask's own pixels on the map that it covers. */
  activeRegion(mask: ProgramMask): ProgramRegion {
    return this.#region({
      mask,
      height: mask.height,
      width: mask.width,
      pixels: mask.batch * mask.height * mask.width,
    });
  }

  /** What `convolution` reads, on a `height x width` map, to compute the pixels of `region`. */
  readRegion(region: ProgramRegion, convolution: Convolution, height: number, width: number): ProgramRegion {
    return this.#region({
      mask: region.mask,
      height,
      width,
      pixels: region.mask.batch * height * width,
      reads: { of: region, convolution },
    });
  }

  /** Where `gather` puts the cells of `region` with what `convolution` reads around them. */
  halo(region: ProgramRegion, convolution: Convolution): ProgramHalo {
    const halo = { id: this.#halos.length, region, convolution };
    this.#halos.push(halo);
    return halo;
  }

  /** Adds an operation as a separate step, or to the stream that was begun. */
  emit(owner: Owner, operation: Operation): void {
    if (!this.#stream) {
      this.#steps.push({ owner, operations: [operation] });
      return;
    }
    this.#stream.operations.push(operation);
    if (this.#stream.operations.length === this.#stream.count) this.#stream = undefined;
  }

  /**
   * Makes one stream of the next `count` operations.
   * @param bandPixels see `Step`
   */
  stream(owner: Owner, count: number, bandPixels?: number): void {
    if (this.#stream) throw new Error('a stream begins inside another one');
    const operations: Operation[] = [];
    this.#steps.push({ owner, operations, ...(bandPixels === undefined ? {} : { bandPixels }) });
    this.#stream = { operations, count };
  }

  /** Puts other steps in the place of those from position `first` on. */
  replaceSteps(first: number, steps: readonly Step[]): void {
    this.#steps.splice(first, this.#steps.length - first, ...steps);
  }

  /**
   * The program.
   * @param output left out while a foreign node's shape is not known
   * @param given masks that the caller decides before the first step
   */
  finish(input: ProgramMap, output?: ProgramMap, given: readonly ProgramMask[] = []): Program {
    if (this.#stream) throw new Error('the program ends inside a stream');
    return {
      ...this.made,
      input,
      given,
      ...(output ? { output } : {}),
    };
  }

  #region(region: Omit<ProgramRegion, 'id'>): ProgramRegion {
    const made = { id: this.#regions.length, ...region };
    this.#regions.push(made);
    return made;
  }
}
