import { halfToNumber } from '../../network/number-formats.js';
import { Random } from '../../random.js';
import { type Device, usage } from './device.js';
import { encodeParameters, vectorBytes, vectors } from './kernel.js';
import { transformedWeights } from './kernels/winograd.js';
import type { BufferUse, Launch } from './launch.js';
import { PassTimer } from './timer.js';
import { packWeights, storedBytes } from './weights.js';

/** Dispatches are repeated until they take as long as this, ms: clocks tell no less. */
const WELL_TIMED_MS = 2;
const MOST_REPEATS = 256;
const RUNS = 5;

/** A dispatch in buffers of its own. */
interface Bound {
  readonly name: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindings: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
  readonly buffers: readonly GPUBuffer[];
}

/**
 * Times single dispatches by themselves, in buffers made for the purpose: for calibration, and for the choice of kernels.
 * By timestamps where the device has them; elsewhere by how much longer twice as many take, submission to end.
 */
export class LaunchTimer {
  readonly #timer: PassTimer | undefined;
  readonly #readable: GPUBuffer;

  constructor(readonly device: Device) {
    this.#timer = device.timed ? new PassTimer(device, 1) : undefined;
    this.#readable = device.buffer('times', 16, usage.mapRead | usage.copyDestination);
  }

  /**
   * Milliseconds of one dispatch among equal ones, each waiting for the one before: the least of some runs.
   * @param launch over whole maps: its workgroups are known beforehand
   * @param patienceMs when one dispatch alone takes longer than this, its first time counts
   */
  async ms(launch: Launch, patienceMs = 100): Promise<number> {
    const bound = await this.#bind(launch);
    try {
      await this.#passMs(bound, 1);
      let repeats = 1;
      let ms = await this.#passMs(bound, repeats);
      if (ms > patienceMs) return ms;
      while (ms < WELL_TIMED_MS && repeats < MOST_REPEATS) {
        repeats *= 4;
        ms = await this.#passMs(bound, repeats);
      }
      for (let run = 1; run < RUNS; run++) ms = Math.min(ms, await this.#passMs(bound, repeats));
      if (this.#timer) return ms / repeats;
      let twice = Number.POSITIVE_INFINITY;
      for (let run = 0; run < RUNS; run++) twice = Math.min(twice, await this.#passMs(bound, 2 * repeats));
      return Math.max(0, twice - ms) / repeats;
    } finally {
      for (const buffer of bound.buffers) buffer.destroy();
    }
  }

  /** What one dispatch leaves in its destination, from equal values for equal launches. */
  async values(launch: Launch): Promise<Float32Array> {
    const { device } = this;
    const bound = await this.#bind(launch);
    const made = bound.buffers[1 + launch.kernel.bindings.findIndex(({ name }) => name === 'destination')]!;
    const readable = device.buffer('values', made.size, usage.mapRead | usage.copyDestination);
    try {
      const encoder = device.gpu.createCommandEncoder();
      encodePass(encoder, bound, 1);
      encoder.copyBufferToBuffer(made, 0, readable, 0, made.size);
      await device.submit(launch.kernel.name, encoder);
      const bytes = await device.read(readable, made.size);
      if (device.precision === 'f32') return new Float32Array(bytes);
      return Float32Array.from(new Uint16Array(bytes), halfToNumber);
    } finally {
      for (const buffer of [...bound.buffers, readable]) buffer.destroy();
    }
  }

  destroy(): void {
    this.#timer?.destroy();
    this.#readable.destroy();
  }

  async #bind({ kernel, parameters, buffers, workgroups }: Launch): Promise<Bound> {
    if ('counter' in workgroups)
      throw new Error(`kernel ${kernel.name} is sized by a list that is not there`);
    const { device } = this;
    const made: GPUBuffer[] = [];
    const binding = device.guarded(`timing ${kernel.name}`, async () => {
      const { pipeline, layout } = await device.pipeline(kernel);
      const words = encodeParameters(kernel, parameters);
      const uniform = device.buffer('parameters', words.byteLength, usage.uniform | usage.copyDestination);
      device.gpu.queue.writeBuffer(uniform, 0, words);
      made.push(uniform);
      const entries = kernel.bindings.map(({ name }, i) => {
        const buffer = this.#filled(name, buffers[name]!);
        made.push(buffer);
        return { binding: i + 1, resource: { buffer } };
      });
      const bindings = device.gpu.createBindGroup({
        layout,
        entries: [{ binding: 0, resource: { buffer: uniform } }, ...entries],
      });
      return { name: kernel.name, pipeline, bindings, workgroups, buffers: made };
    });
    binding.catch(() => {
      for (const buffer of made) buffer.destroy();
    });
    return binding;
  }

  /** A buffer with values of the size that activations have: zeros would be multiplied for less power. */
  #filled(name: string, use: BufferUse): GPUBuffer {
    const { device } = this;
    const { precision } = device;
    let content = new ArrayBuffer(0);
    let bytes = 0;
    if (typeof use === 'object' && 'map' in use) {
      const [N, H, W, C] = use.map.shape;
      bytes = N * H * W * vectors(C) * vectorBytes[precision];
      const random = new Random(bytes);
      const values = Float32Array.from({ length: Math.min(bytes / 4, 1 << 16) }, () => 2 * random.next() - 1);
      content = storedBytes(values, precision);
    } else if (typeof use === 'object' && 'convolution' in use) {
      content = storedBytes(packWeights(use.convolution), precision);
      bytes = content.byteLength;
    } else if (typeof use === 'object' && 'transformed' in use) {
      content = transformedWeights(use.transformed).buffer;
      bytes = content.byteLength;
    }
    const buffer = device.buffer(name, bytes, usage.storage | usage.copySource | usage.copyDestination);
    const { queue } = device.gpu;
    if (bytes <= content.byteLength) queue.writeBuffer(buffer, 0, content, 0, bytes);
    else this.#repeat(content, buffer, bytes);
    return buffer;
  }

  /** Fills a buffer by copies on the GPU: the maps of a batch of 128 are gigabytes in all, too many for the processor. */
  #repeat(content: ArrayBuffer, buffer: GPUBuffer, bytes: number): void {
    const { device } = this;
    const { queue } = device.gpu;
    const length = content.byteLength;
    const once = device.buffer('values', length, usage.copySource | usage.copyDestination);
    queue.writeBuffer(once, 0, content);
    const encoder = device.gpu.createCommandEncoder();
    for (let at = 0; at < bytes; at += length)
      encoder.copyBufferToBuffer(once, 0, buffer, at, Math.min(length, bytes - at));
    queue.submit([encoder.finish()]);
    once.destroy();
  }

  /** Milliseconds of a pass with `repeats` dispatches. */
  async #passMs(bound: Bound, repeats: number): Promise<number> {
    const { device } = this;
    const timer = this.#timer;
    const encoder = device.gpu.createCommandEncoder();
    encodePass(encoder, bound, repeats, timer?.descriptor(0));
    timer?.encodeRead(encoder, this.#readable, 0);
    const before = performance.now();
    const taken = device.submit(bound.name, encoder);
    if (!timer) {
      await device.finished();
      const ms = performance.now() - before;
      await taken;
      return ms;
    }
    await taken;
    return timer.read(await device.read(this.#readable, timer.bytes), 0)[0]!;
  }
}

function encodePass(
  encoder: GPUCommandEncoder,
  { pipeline, bindings, workgroups }: Bound,
  repeats: number,
  descriptor?: GPUComputePassDescriptor,
): void {
  const pass = encoder.beginComputePass(descriptor);
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindings);
  for (let i = 0; i < repeats; i++) pass.dispatchWorkgroups(...workgroups);
  pass.end();
}
