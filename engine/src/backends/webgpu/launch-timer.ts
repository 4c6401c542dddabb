import { FoveaError } from '../../errors.js';
import { halfToNumber } from '../../network/number-formats.js';
import { Random } from '../../random.js';
import { type Device, usage } from './device.js';
import { encodeParameters, vectorBytes, vectors } from './kernel.js';
import { transformedWeights } from './kernels/winograd.js';
import type { BufferUse, Launch } from './launch.js';
import { QuerySets } from './query-sets.js';
import { PassTimer } from './timer.js';
import { packWeights, storedBytes } from './weights.js';

/**
 * Dispatches are repeated until they take as long as this, ms: clocks tell no less. Browsers round timestamps to about
 * 0.1 ms and the processor's clock to 1 ms, which also tells the time that a submission takes by itself.
 */
const WELL_TIMED_MS = { timestamps: 2, clock: 20 } as const;
const MOST_REPEATS = { timestamps: 256, clock: 1024 } as const;
/** Nor are they when a submission takes as long as this by the processor's clock, whatever timestamps say, ms. */
const LONG_MS = 50;
const RUNS = 5;

/** A dispatch in buffers of its own. */
interface Bound {
  readonly name: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindings: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
  readonly buffers: readonly GPUBuffer[];
}

/** How long a submission took. */
interface Taken {
  /** By its timestamps; 0 where they say nothing. */
  readonly gpuMs: number;
  /** By the processor's clock, from the submission to its end. */
  readonly wallMs: number;
}

/**
 * Times single dispatches by themselves, in buffers made for the purpose: for calibration, and for the choice of kernels.
 * By timestamps where the device has them and they say something; elsewhere by how much longer twice as many take,
 * submission to end.
 */
export class LaunchTimer {
  readonly #queries: QuerySets;
  readonly #timer: Promise<PassTimer | undefined>;
  readonly #readable: GPUBuffer;

  constructor(readonly device: Device) {
    this.#queries = new QuerySets(device.gpu);
    this.#timer = PassTimer.make(device, 1, this.#queries);
    // Said where a time is asked for.
    this.#timer.catch(() => undefined);
    this.#readable = device.buffer('times', 16, usage.mapRead | usage.copyDestination);
  }

  /**
   * Milliseconds of one dispatch among equal ones, each waiting for the one before: the least of some runs.
   * @param launch over whole maps: its workgroups are known beforehand
   * @param patienceMs when one dispatch alone takes longer than this, its first time counts
   * @throws FoveaError `unsupported` when no clock tells it from nothing
   */
  async ms(launch: Launch, patienceMs = 100): Promise<number> {
    const bound = await this.#bind(launch);
    try {
      await this.#take(bound, 1);
      const ms =
        (await this.#msByTimestamps(bound, patienceMs)) ?? (await this.#msByClock(bound, patienceMs));
      if (ms > 0) return ms;
      throw new FoveaError(
        'unsupported',
        `the clocks of ${this.device.name} do not tell the time of a dispatch`,
      );
    } finally {
      for (const buffer of bound.buffers) buffer.destroy();
    }
  }

  /** Undefined where timestamps say nothing: a time of 0 would win any comparison. */
  async #msByTimestamps(bound: Bound, patienceMs: number): Promise<number | undefined> {
    if (!(await this.#timer)) return undefined;
    let repeats = 1;
    let taken = await this.#take(bound, repeats);
    if (taken.gpuMs > patienceMs) return taken.gpuMs;
    while (
      taken.gpuMs < WELL_TIMED_MS.timestamps &&
      taken.wallMs < LONG_MS &&
      repeats < MOST_REPEATS.timestamps
    ) {
      repeats *= 4;
      taken = await this.#take(bound, repeats);
    }
    const all = [taken.gpuMs];
    for (let run = 1; run < RUNS; run++) all.push((await this.#take(bound, repeats)).gpuMs);
    const told = all.filter((ms) => ms > 0);
    return told.length > 0 ? Math.min(...told) / repeats : undefined;
  }

  async #msByClock(bound: Bound, patienceMs: number): Promise<number> {
    const wallMs = async (repeats: number) => (await this.#take(bound, repeats)).wallMs;
    let repeats = 1;
    let ms = await wallMs(repeats);
    if (ms > patienceMs) return ms;
    while (ms < WELL_TIMED_MS.clock && repeats < MOST_REPEATS.clock) {
      repeats *= 4;
      ms = await wallMs(repeats);
    }
    for (let run = 1; run < RUNS; run++) ms = Math.min(ms, await wallMs(repeats));
    let twice = Number.POSITIVE_INFINITY;
    for (let run = 0; run < RUNS; run++) twice = Math.min(twice, await wallMs(2 * repeats));
    // No longer at all: the clock is too coarse, or something else took the time. It is no more than all of it.
    return (twice > ms ? twice - ms : twice / 2) / repeats;
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
    void this.#timer
      .then((timer) => timer?.destroy())
      .catch(() => undefined)
      .finally(() => this.#queries.destroy());
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

  /** How long a pass with `repeats` dispatches takes. */
  async #take(bound: Bound, repeats: number): Promise<Taken> {
    const { device } = this;
    const timer = await this.#timer;
    const encoder = device.gpu.createCommandEncoder();
    encodePass(encoder, bound, repeats, timer?.descriptor(0));
    timer?.encodeRead(encoder, this.#readable, 0);
    const before = performance.now();
    const taken = device.submit(bound.name, encoder);
    taken.catch(() => undefined);
    await device.finished();
    const wallMs = performance.now() - before;
    await taken;
    if (!timer) return { gpuMs: 0, wallMs };
    return { gpuMs: timer.read(await device.read(this.#readable, timer.bytes), 0, wallMs)[0]!, wallMs };
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
