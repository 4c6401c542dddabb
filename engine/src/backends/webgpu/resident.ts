import { convolutionsOf } from '../../network/convolutions.js';
import { type Block, blocksOf, type Convolution, type Network } from '../../network/network.js';
import type { PixelBias } from '../../network/pixel-attention.js';
import { biasesOf } from '../../network/pixel-biases.js';
import type { Program } from '../../program/program.js';
import type { Shape } from '../../tensor.js';
import { KeptPrograms } from '../kept-programs.js';
import { type Device, usage } from './device.js';
import { tilesFor } from './fusions.js';
import { GpuProgram, type Own, type ProgramChoice, type ResidentNetwork } from './gpu-program.js';
import { transformedWeights } from './kernels/winograd.js';
import { QuerySets } from './query-sets.js';
import { PassTimer } from './timer.js';
import { chosenBy, tune } from './tune.js';
import { tuningOf } from './tuning.js';
import { ruled } from './variants.js';
import { checkStored, packWeights, storedBytes } from './weights.js';

/** A network on one device: its weights, memory for its maps, and the programs made of it. */
export class Resident implements ResidentNetwork {
  readonly programs: KeptPrograms<Promise<GpuProgram>>;
  readonly #weights = new Map<Convolution, GPUBuffer>();
  readonly #transformed = new Map<Convolution, GPUBuffer>();
  readonly #maskers = new Map<Block, GPUBuffer>();
  readonly #biases = new Map<PixelBias, GPUBuffer>();
  /** Buffers of maps, the largest first; all programs use the same, for only one runs at a time. */
  readonly #maps: GPUBuffer[] = [];
  readonly #queries: QuerySets;

  constructor(
    readonly device: Device,
    readonly network: Network,
    shape: Shape,
    /** Times kernels for the shapes of the network's programs; on a software driver that takes long and is of no use. */
    readonly tunes = !device.software,
  ) {
    this.#queries = new QuerySets(device.gpu);
    this.programs = new KeptPrograms(network, shape, {
      make: (lowered, plan) => {
        const own: Own[] = [];
        const made: Promise<GpuProgram> = this.#choice(lowered.program).then((choice) =>
          device.guarded(network.name, () =>
            GpuProgram.make(this, lowered, plan, choice, () => this.programs.clear(made), own),
          ),
        );
        // Not kept when it could not be made: memory may be there next time.
        made.catch(() => {
          this.programs.forget(made);
          for (const one of own) one.destroy();
          this.#freeShared();
        });
        return made;
      },
      drop: (made) => void made.then((program) => program.destroy()).catch(() => undefined),
    });
  }

  /** Uploads all weights, packed for the kernels. */
  async upload(): Promise<void> {
    const { device, network } = this;
    await device.guarded(`the weights of ${network.name}`, () => {
      for (const convolution of convolutionsOf(network)) {
        if (this.#weights.has(convolution)) continue;
        const packed = packWeights(convolution);
        checkStored(convolution, packed, device.precision);
        const bytes = storedBytes(packed, device.precision);
        this.#weights.set(convolution, this.#filled(`the weights of ${convolution.name}`, bytes));
      }
      for (const { name, bias } of biasesOf(network)) {
        if (this.#biases.has(bias)) continue;
        this.#biases.set(bias, this.#filled(`the bias of ${name}`, Float32Array.from(bias.values).buffer));
      }
      for (const block of blocksOf(network)) {
        const { masker } = block;
        if (!masker) continue;
        const { buffer } = Float32Array.from([...masker.weight, masker.bias]);
        this.#maskers.set(block, this.#filled(`the masker of ${block.name}`, buffer));
      }
    });
  }

  weights(convolution: Convolution): GPUBuffer {
    return this.#weights.get(convolution)!;
  }

  transformed(convolution: Convolution): GPUBuffer {
    let buffer = this.#transformed.get(convolution);
    if (!buffer) {
      const what = `the transformed weights of ${convolution.name}`;
      buffer = this.#filled(what, transformedWeights(convolution).buffer);
      this.#transformed.set(convolution, buffer);
    }
    return buffer;
  }

  masker(block: Block): GPUBuffer {
    return this.#maskers.get(block)!;
  }

  bias(bias: PixelBias): GPUBuffer {
    return this.#biases.get(bias)!;
  }

  timer(passes: number): Promise<PassTimer | undefined> {
    return PassTimer.make(this.device, passes, this.#queries);
  }

  maps(
    wanted: readonly { readonly bytes: number; readonly what: string }[],
    onGrown: () => void,
  ): GPUBuffer[] {
    const order = wanted.map((_, i) => i).sort((a, b) => wanted[b]!.bytes - wanted[a]!.bytes);
    const given: GPUBuffer[] = new Array(wanted.length);
    let grown = false;
    for (const [rank, i] of order.entries()) {
      const { bytes, what } = wanted[i]!;
      let buffer = this.#maps[rank];
      if (!buffer || buffer.size < bytes) {
        const larger = this.device.buffer(what, bytes, usage.storage);
        grown ||= buffer !== undefined;
        buffer?.destroy();
        this.#maps[rank] = larger;
        buffer = larger;
      }
      given[i] = buffer;
    }
    if (grown) onGrown();
    return given;
  }

  destroy(): void {
    this.#freeShared();
    this.#queries.destroy();
    for (const kept of [this.#weights, this.#maskers, this.#biases])
      for (const buffer of kept.values()) buffer.destroy();
  }

  /** Frees what programs share and is made with them, of which some may be of no use where memory ran out; and all programs. */
  #freeShared(): void {
    this.programs.clear();
    for (const buffer of [...this.#maps.splice(0), ...this.#transformed.values()]) buffer.destroy();
    this.#transformed.clear();
  }

  /** How convolutions of a program are computed. */
  async #choice(program: Program): Promise<ProgramChoice> {
    if (!this.tunes) return { ...ruled, chosenBy: 'a rule' };
    const { precision } = this.device;
    const tuning = tuningOf(this.device.tunedOn);
    await tune(this.device, program, tuning);
    const room = this.device.gpu.limits.maxComputeWorkgroupStorageSize;
    return {
      chosenBy: chosenBy(program, tuning),
      one: (operation) => tuning.one(operation),
      byRule: (operation) => tuning.byRule(operation),
      // What was kept may be from a device with more room, or was edited by hand.
      fused: (fusion) => {
        const tile = tuning.fused(fusion);
        return tile && tilesFor(fusion, precision, room).includes(tile) ? tile : undefined;
      },
    };
  }

  #filled(what: string, bytes: ArrayBuffer): GPUBuffer {
    const buffer = this.device.buffer(what, bytes.byteLength, usage.storage | usage.copyDestination);
    this.device.gpu.queue.writeBuffer(buffer, 0, bytes);
    return buffer;
  }
}
