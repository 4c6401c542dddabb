import { load } from '#webgpu';
import { FoveaError } from '../../errors.js';
import { type Kernel, type Precision, type ShaderFeatures, wgslOf } from './kernel.js';
import type { MatrixUnit } from './kernels/matrices.js';
import { MATRICES, matricesOf, SUBGROUP_SIZES } from './matrices.js';
import { SubmissionBound } from './submission-bound.js';
import type { TunedOn } from './tuning.js';

/** Flags of the WebGPU specification, which defines their values. */
export const usage = {
  mapRead: 0x0001,
  copySource: 0x0004,
  copyDestination: 0x0008,
  uniform: 0x0040,
  storage: 0x0080,
  indirect: 0x0100,
  queryResolve: 0x0200,
} as const;

const COMPUTE_STAGE = 4;
const MAP_READ = 1;

/** Where an adapter may be hidden. */
const IN_NODE =
  'on Linux the Vulkan loader (libvulkan.so.1) and a driver named in /usr/share/vulkan/icd.d, /etc/vulkan/icd.d or VK_ICD_FILENAMES';
const IN_BROWSERS =
  "in the browser's settings hardware acceleration must be on; Chromium on Linux may need --enable-unsafe-webgpu";

/** How long after a failure a device says that it is lost, at most, ms. */
const LOSS_MS = 200;

/** A kernel that has been compiled. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Counts of what was made on a device: nothing may be made in a run after the first of its kind. */
export interface Created {
  buffers: number;
  pipelines: number;
}

let entry: Promise<GPU> | undefined;

/** WebGPU of the browser, or of the npm package `webgpu` in Node. */
function entryPoint(): Promise<GPU> {
  // Kept for the life of the process: Dawn crashes when it is collected while adapters of it live.
  entry ??= findEntry();
  return entry;
}

async function findEntry(): Promise<GPU> {
  const own = browserGpu();
  if (own) return own;
  try {
    const { create } = await load();
    return create([
      // Times are for their owner's eyes, and worthless in steps of 0.1 ms.
      'disable-dawn-features=timestamp_quantization',
      // Kernels write workgroup memory before they read it; drivers that clear it word by word compile for seconds.
      // Dawn offers matrices of subgroups behind allow_unsafe_apis only, for its checks of them are not final. It lets a
      // device ask for such features by name; of this instance, no code but the engine's own kernels gets one.
      'enable-dawn-features=disable_workgroup_init,allow_unsafe_apis',
    ]);
  } catch (error) {
    throw new FoveaError(
      'backend-unavailable',
      `the npm package webgpu is not usable: ${(error as Error).message.split('\n')[0]}`,
      { cause: error },
    );
  }
}

/** WebGPU of the browser that this runs in, if any. */
export function browserGpu(): GPU | undefined {
  return (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
}

const devices = new Map<Precision, Promise<Device>>();

/**
 * The device that sessions share; a new one when the last was lost.
 * @throws FoveaError `backend-unavailable` without WebGPU or a driver, `unsupported` for f16 on an adapter without it
 */
export async function openDevice(precision: Precision): Promise<Device> {
  for (let known = devices.get(precision); known; ) {
    const device = await known.catch(() => undefined);
    if (device && device.lost === undefined) return device;
    // Another session may have asked for a new one meanwhile.
    const latest = devices.get(precision);
    if (latest === known) break;
    known = latest;
  }
  const opening = requestDevice(precision);
  devices.set(precision, opening);
  return opening;
}

/** The adapter that was last asked for a device in this process, whether or not the device is still there. */
let lastAdapter: string | undefined;

/** The name of the adapter that runs in this process use; undefined before the first of them has opened it. */
export function openedAdapter(): string | undefined {
  return lastAdapter;
}

async function requestDevice(precision: Precision): Promise<Device> {
  const gpu = await entryPoint();
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) {
    throw new FoveaError(
      'backend-unavailable',
      `WebGPU found no adapter: a GPU with a Vulkan, Metal or Direct3D 12 driver is needed; ${browserGpu() ? IN_BROWSERS : IN_NODE}`,
    );
  }
  if (precision === 'f16' && !adapter.features.has('shader-f16')) {
    throw new FoveaError(
      'unsupported',
      `precision f16: ${nameOf(adapter)} does not offer shader-f16; f32 is accepted`,
    );
  }
  lastAdapter = nameOf(adapter);
  const subgroups = adapter.features.has('subgroups');
  const matrices = matricesOf(adapter);
  const { limits } = adapter;
  const wanted: GPUDeviceDescriptor = {
    requiredFeatures: [
      ...(adapter.features.has('timestamp-query') ? (['timestamp-query'] as const) : []),
      ...(precision === 'f16' ? (['shader-f16'] as const) : []),
      ...(subgroups ? (['subgroups'] as const) : []),
      ...(precision === 'f16' && matrices ? [MATRICES] : []),
      ...(precision === 'f16' && matrices?.isAskedFor ? [SUBGROUP_SIZES] : []),
    ],
    requiredLimits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
    },
  };
  const device = await adapter.requestDevice(wanted).catch((cause: unknown) => {
    throw new FoveaError(
      'backend-unavailable',
      `${nameOf(adapter)} opens no device: ${(cause as Error).message}`,
      { cause },
    );
  });
  const { description, isFallbackAdapter = false } = adapter.info;
  return new Device(device, {
    name: nameOf(adapter),
    driver: description,
    precision,
    subgroups,
    matrices,
    software: isFallbackAdapter,
  });
}

/**
 * The GPU's own name, where WebGPU says it. In Node, Dawn has it in `device` and the driver's in `description`; browsers
 * have at most a number in `device` and the name in `description`, and most say little more than who made it.
 */
function nameOf({ info }: GPUAdapter): string {
  const { description, device, architecture, vendor } = info;
  const own = /^0x/.test(device) ? '' : device.replace(/-+$/, '');
  return own || description || [vendor, architecture].filter(Boolean).join(' ') || 'an unnamed GPU';
}

/** What is known of a device. */
export interface DeviceFacts extends ShaderFeatures {
  readonly name: string;
  /** The driver with its version, where WebGPU says it. */
  readonly driver: string;
  /** True when no GPU computes, but a program in its place. */
  readonly software: boolean;
  /** The matrices that its subgroups multiply, where it offers those. */
  readonly matrices?: MatrixUnit | undefined;
}

/** A GPU with the kernels compiled for it. */
export class Device implements DeviceFacts {
  readonly name: string;
  readonly driver: string;
  readonly precision: Precision;
  readonly subgroups: boolean;
  readonly software: boolean;
  readonly matrices: MatrixUnit | undefined;
  readonly created: Created = { buffers: 0, pipelines: 0 };
  /** Why it cannot be used any more. */
  lost: string | undefined;
  readonly timed: boolean;
  /** How much one submission of a run may hold. */
  readonly bound: SubmissionBound;
  readonly #pipelines = new Map<string, Promise<Pipeline>>();
  readonly #lost: Promise<void>;
  #guard: Promise<unknown> = Promise.resolve();

  constructor(
    readonly gpu: GPUDevice,
    { name, driver, precision, subgroups, software, matrices }: DeviceFacts,
  ) {
    this.name = name;
    this.driver = driver;
    this.precision = precision;
    this.subgroups = subgroups;
    this.software = software;
    this.matrices = matrices;
    this.timed = gpu.features.has('timestamp-query');
    this.bound = new SubmissionBound(software);
    this.#lost = gpu.lost.then(({ message, reason }) => {
      this.lost = message || reason;
    });
  }

  /** What kernels are chosen for. Matrices are of half precision. */
  get tunedOn(): TunedOn {
    const { name: adapter, driver, precision, matrices } = this;
    return { adapter, driver, precision, matrices: precision === 'f16' ? matrices : undefined };
  }

  /** The most bytes that one map or one layer's weights may take. */
  get mostBytes(): number {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.gpu.limits;
    return Math.min(maxBufferSize, maxStorageBufferBindingSize);
  }

  /** @throws FoveaError `backend-unavailable` once the device is lost */
  check(): void {
    if (this.lost !== undefined)
      throw new FoveaError('backend-unavailable', `the GPU was lost: ${this.lost}`);
  }

  /**
   * @param what it is for, as a message names it
   * @throws FoveaError `unsupported` when it is larger than the adapter allows
   */
  buffer(what: string, bytes: number, flags: number): GPUBuffer {
    const size = Math.max(16, Math.ceil(bytes / 16) * 16);
    if (size > this.mostBytes) {
      throw new FoveaError(
        'unsupported',
        `${what} takes ${size} bytes in one buffer; ${this.name} allows ${this.mostBytes}: a smaller batch or image is accepted`,
      );
    }
    this.created.buffers++;
    return this.gpu.createBuffer({ size, usage: flags, label: what });
  }

  /** A kernel compiled for this device, once. */
  pipeline(kernel: Kernel): Promise<Pipeline> {
    let made = this.#pipelines.get(kernel.name);
    if (!made) {
      made = this.#compile(kernel);
      this.#pipelines.set(kernel.name, made);
      // Not kept when it could not be made: a driver that had no memory for it may have some next time.
      made.catch(() => this.#pipelines.delete(kernel.name));
    }
    return made;
  }

  async #compile(kernel: Kernel): Promise<Pipeline> {
    this.created.pipelines++;
    const { gpu } = this;
    const layout = gpu.createBindGroupLayout({
      entries: [
        { binding: 0, visibility: COMPUTE_STAGE, buffer: { type: 'uniform' } },
        ...kernel.bindings.map(
          ({ access }, i): GPUBindGroupLayoutEntry => ({
            binding: i + 1,
            visibility: COMPUTE_STAGE,
            buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
          }),
        ),
      ],
    });
    const pipeline = await gpu.createComputePipelineAsync({
      label: kernel.name,
      layout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: {
        module: gpu.createShaderModule({ label: kernel.name, code: wgslOf(kernel, this) }),
        entryPoint: 'main',
      },
    });
    return { pipeline, layout };
  }

  /**
   * Does something that makes GPU objects, and reports what went wrong in it.
   * @throws FoveaError `backend-unavailable` when memory ran out or the device was lost, Error when WebGPU found a mistake
   */
  guarded<Result>(what: string, work: () => Result | Promise<Result>): Promise<Result> {
    // One after the other: errors go to the scope that was opened last.
    const result = this.#guard.then(() => this.#guarded(what, work));
    this.#guard = result.catch(() => undefined);
    return result;
  }

  async #guarded<Result>(what: string, work: () => Result | Promise<Result>): Promise<Result> {
    this.check();
    this.gpu.pushErrorScope('validation');
    this.gpu.pushErrorScope('out-of-memory');
    let result: Result | undefined;
    let thrown: { error: unknown } | undefined;
    try {
      result = await work();
    } catch (error) {
      thrown = { error };
    }
    const errors = this.#popErrors();
    if (thrown) {
      await errors;
      this.check();
      throw thrown.error;
    }
    this.#refuse(what, await errors);
    return result as Result;
  }

  /**
   * Submits what was encoded. Work that WebGPU refuses does not run, and leaves old values where its results would be.
   * @returns when WebGPU has taken it, which may be after it has run
   * @throws as `guarded` does
   */
  async submit(what: string, encoder: GPUCommandEncoder): Promise<void> {
    this.check();
    this.gpu.pushErrorScope('validation');
    this.gpu.pushErrorScope('out-of-memory');
    this.gpu.queue.submit([encoder.finish()]);
    this.#refuse(what, await this.#popErrors());
  }

  /** What went wrong since the last two error scopes were opened: memory, and mistakes. */
  #popErrors(): Promise<readonly (GPUError | null)[]> {
    return Promise.all([this.gpu.popErrorScope(), this.gpu.popErrorScope()]);
  }

  /** Throws when something did. */
  #refuse(what: string, [memory, mistake]: readonly (GPUError | null)[]): void {
    this.check();
    if (memory)
      throw new FoveaError(
        'backend-unavailable',
        `${this.name} has no memory left for ${what}: ${memory.message}`,
      );
    if (mistake) throw new Error(`${what}: ${mistake.message}`);
  }

  /**
   * Waits until all that was submitted has run.
   * @throws FoveaError `backend-unavailable` once the device is lost
   */
  async finished(): Promise<void> {
    await this.#waitedFor(this.gpu.queue.onSubmittedWorkDone());
    this.check();
  }

  /** Waits for the GPU. What fails because the device is lost may say so before that does. */
  async #waitedFor(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      await Promise.race([this.#lost, new Promise((resolve) => setTimeout(resolve, LOSS_MS))]);
      this.check();
      throw error;
    }
  }

  /** The bytes at the beginning of a buffer made for reading. */
  async read(buffer: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    await this.#waitedFor(buffer.mapAsync(MAP_READ, 0, bytes));
    const copy = buffer.getMappedRange(0, bytes).slice(0);
    buffer.unmap();
    return copy;
  }
}
