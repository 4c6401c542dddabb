import { FoveaError } from '../../errors.js';
import type { Network } from '../../network/network.js';
import type { Shape, Tensor } from '../../tensor.js';
import type { RunOptions, RunResult, Session } from '../backend.js';
import { openDevice } from './device.js';
import { GpuRun } from './gpu-run.js';
import type { Precision } from './kernel.js';
import { Resident } from './resident.js';
import { checkAborted } from './submissions.js';

/** One network at one input shape on a GPU. */
export class WebgpuSession implements Session {
  #resident: Promise<Resident> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #disposed = false;

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
    if (this.#disposed)
      return Promise.reject(new FoveaError('bad-argument', 'the session has been disposed of'));
    const result = this.#last.then(() => this.#run(input, options));
    // What has been submitted goes on after an abort, and the next run waits for it.
    this.#last = result.catch(() => undefined);
    return unlessAborted(result, options.signal);
  }

  dispose(): void {
    this.#disposed = true;
    void this.#last
      .then(() => this.#resident)
      .then((resident) => resident?.destroy())
      .catch(() => undefined);
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

  async #run(input: Tensor, options: RunOptions): Promise<RunResult> {
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

/** What `work` comes to, or `aborted` as soon as the signal says so. */
function unlessAborted<Result>(work: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(new FoveaError('aborted', 'the run was aborted'));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
