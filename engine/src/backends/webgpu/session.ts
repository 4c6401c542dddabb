import { FoveaError } from '../../errors.js';
import type { Network } from '../../network/network.js';
import type { Shape, Tensor } from '../../tensor.js';
import { unlessAborted } from '../../unless-aborted.js';
import type { RunOptions, RunResult, Session } from '../backend.js';
import { type QueuedRunOptions, RunQueue } from '../run-queue.js';
import { openDevice } from './device.js';
import { GpuRun } from './gpu-run.js';
import type { Precision } from './kernel.js';
import { Resident } from './resident.js';
import { checkAborted } from './submissions.js';

/** One network at one input shape on a GPU. */
export class WebgpuSession implements Session {
  #resident: Promise<Resident> | undefined;
  readonly #queue = new RunQueue();

  /**
   * @param shape of the input, `[N, H, W, C]`
   * @param tune whether kernels are chosen by timing; left out, on GPUs but not on software drivers
   */
  constructor(
    readonly network: Network,
    readonly shape: Shape,
    readonly precision: Precision,
    readonly tune: boolean | undefined,
  ) {}

  /**
   * Uploads the weights, also when the device that had them is lost.
   * @throws FoveaError `backend-unavailable` without a GPU or memory for it, `unsupported` for a layer too large for it
   */
  async resident(): Promise<Resident> {
    const known = await this.#resident?.catch(() => undefined);
    if (known && known.device.lost === undefined) return known;
    this.#resident = this.#upload();
    return this.#resident;
  }

  run(input: Tensor, options: RunOptions): Promise<RunResult> {
    const result = this.#queue.add(options, (queued) => this.#run(input, queued));
    // What has been submitted goes on after an abort, and the next run waits for it.
    return options.signal ? unlessAborted(result, options.signal) : result;
  }

  dispose(): void {
    this.#queue.close(() => {
      void this.#resident?.then((resident) => resident.destroy()).catch(() => undefined);
    });
  }

  async #upload(): Promise<Resident> {
    const resident = new Resident(await openDevice(this.precision), this.network, this.shape, this.tune);
    try {
      await resident.upload();
    } catch (error) {
      resident.destroy();
      throw error;
    }
    return resident;
  }

  async #run(input: Tensor, options: QueuedRunOptions): Promise<RunResult> {
    if (input.shape.some((extent, axis) => extent !== this.shape[axis])) {
      throw new FoveaError(
        'bad-shape',
        `input of shape [${input.shape.join(', ')}]; this session takes [${this.shape.join(', ')}]`,
      );
    }
    checkAborted(options.signal);
    const resident = await this.resident();
    const program = await resident.programs.get(options.plan, options.maskers);
    // What is made once is not part of a run.
    const started = performance.now();
    return new GpuRun(resident, program, options, started).finish(input, (again) =>
      this.#run(again, options),
    );
  }
}
