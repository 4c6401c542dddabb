import type { Mask, Masker } from '../mask/mask.js';
import type { Network } from '../network/network.js';
import type { Plan } from '../plan/plan.js';
import type { Profile } from '../profile.js';
import type { Tensor } from '../tensor.js';

/** What a session runs. */
export interface RunOptions {
  readonly plan: Plan;
  /** One masker per block, by block index. */
  readonly maskers: readonly Masker[];
  readonly threads: number;
  /**
   * Aborts the run; the promise then rejects with FoveaError `aborted`. The native backend stops within 50 ms, `webgpu`
   * after the submissions that the GPU has, two at most, which take about 50 ms each. `onnx` and `reference` stop between
   * blocks, for onnxruntime's Node binding cannot end a graph under way (its `terminate` option exists in the browser only).
   */
  readonly signal?: AbortSignal;
  /**
   * True: between passes a fixed piece of arithmetic is timed on all threads, and the profile's ops report its time as
   * `paceMs`: how fast the processor was around each. That time counts nowhere else. Native backend only; others
   * ignore it.
   */
  readonly paced?: boolean;
  /** Called when the run begins to wait for a masker that does not answer at once; what it returns, when it no longer waits. */
  readonly onWait?: () => () => void;
  /** Called between passes, with the fraction done (0…1) and the name of the node just finished. */
  readonly onProgress?: (fraction: number, name: string) => void;
}

/** What a run returns: output, masks and profile. */
export interface RunResult {
  /** The network's output; logits as `[N, 1, 1, classes]`. */
  readonly output: Tensor;
  /** One mask per block that ran adaptively, in block order. */
  readonly masks: readonly Mask[];
  readonly profile: Profile;
}

/**
 * A network packed for one backend and one input shape. Runs do not overlap: a second call waits, and is refused when a
 * masker makes it that the first waits for.
 */
export interface Session {
  run(input: Tensor, options: RunOptions): Promise<RunResult>;
  /** Frees packed weights and buffers once the runs asked for before have ended; later ones are refused. */
  dispose(): void;
}

/** Name of a backend: one of the engine's own, which editors offer, or one that was registered. */
export type BackendName = 'native' | 'onnx' | 'reference' | 'webgpu' | (string & Record<never, never>);

/** One way of executing plans. `native`, `onnx`, `reference` and `webgpu` implement it. */
export interface Backend {
  readonly name: string;
  /** Undefined when usable; otherwise one sentence saying what is missing and what that costs. */
  readonly unavailable?: string | undefined;
  /** Looks for what only shows after a while, such as a driver: undefined when usable, otherwise one sentence. */
  check?(): Promise<string | undefined>;
  /** True when it is there but has to be rebuilt: then no other backend is silently used instead. */
  readonly stale?: boolean;
  /** True when its sessions themselves refuse an input that is not finite: they look at every value anyway. */
  readonly checksInput?: boolean;
  /** How far its outputs may lie from those of float32, relative to the largest; 1e-4 when left out. */
  readonly outputTolerance?: number;
  /** The execution provider of onnxruntime on the same hardware, for comparisons; `cpu` when left out. */
  readonly onnxProvider?: 'webgpu';
  /** Packs weights once for inputs of this shape. */
  open(network: Network, shape: { batch: number; height: number; width: number }): Promise<Session>;
}
