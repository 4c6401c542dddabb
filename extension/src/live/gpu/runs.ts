import { formatPercent } from '@fovea/kernel/presentation';
import type { MasksBlock, MasksDocument } from '../../documents/types';
import { activeShare } from '../../masks/geometry';
import type { LiveBrowserRun, LiveGpuPrediction, LiveState } from '../protocol';
import { findGpu, type GpuFound } from './adapter';
import type { GpuAnswer, GpuReply, GpuRequest } from './messages';

/** A run of the kernel's, with what it takes to do it again here. */
export interface KernelRun {
  readonly state: LiveState;
  readonly masks: MasksDocument;
  readonly browser: LiveBrowserRun | { readonly refused: string };
  /** Input and output, float32. */
  readonly buffers: readonly Uint8Array[];
}

/** What this browser's GPU computed, and how it compares with the kernel. */
export interface GpuResult {
  /** The state that was run. */
  readonly state: LiveState;
  /** The kernel's blocks with this GPU's masks. */
  readonly blocks: readonly MasksBlock[];
  readonly cells: number;
  readonly differingCells: number;
  /** Largest difference of the outputs, relative to the kernel's largest value. */
  readonly outputError: number;
  readonly times: GpuAnswer['times'];
  /** Of the GPU that is calibrated where the kernel is. */
  readonly predicted: LiveGpuPrediction | undefined;
}

/** A piece of a network's file. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly totalBytes: number;
}

/** What of the browser is used; a test brings its own. */
export interface GpuEnvironment {
  find(): Promise<GpuFound>;
  /** @throws when the browser refuses the script's address */
  makeWorker(): Worker;
}

const thisBrowser: GpuEnvironment = {
  find: findGpu,
  makeWorker: () => new Worker(new URL('./worker.js', import.meta.url)),
};

export interface GpuRunsOptions {
  /** Asks the kernel for a piece of a network's file. */
  piece(network: string, key: string, offset: number): Promise<Piece>;
  onChange(): void;
  readonly environment?: GpuEnvironment | undefined;
}

/**
 * Does on this browser's GPU what the kernel has run: the same network, input and plan. The engine is loaded, in a
 * worker, when the first run is wanted; turning this off ends the worker and gives its memory back.
 */
export class GpuRuns {
  /** Undefined until the browser has answered. */
  found: GpuFound | undefined;
  enabled = false;
  /** What is under way, in a few words. */
  activity: string | undefined;
  /** What went wrong last. */
  problem: string | undefined;
  result: GpuResult | undefined;
  private readonly environment: GpuEnvironment;
  private worker: Worker | undefined;
  /** Key of the network that the worker has. */
  private sent = '';
  private serial = 0;
  private settle: ((reply: GpuReply) => void) | undefined;

  constructor(private readonly options: GpuRunsOptions) {
    this.environment = options.environment ?? thisBrowser;
  }

  /** Asks the browser what it has. */
  async look(): Promise<void> {
    if (this.found) return;
    this.found = await this.environment.find();
    this.options.onChange();
  }

  /** Whether the GPU computes with a program in its place. */
  get isSoftware(): boolean {
    return this.found !== undefined && 'software' in this.found && this.found.software;
  }

  set(enabled: boolean): void {
    this.enabled = enabled;
    if (!enabled) this.dispose();
    this.options.onChange();
  }

  /** Gives up what is under way. */
  cancel(): void {
    this.serial += 1;
    this.settle = undefined;
    this.problem = undefined;
    if (this.activity === undefined) return;
    this.activity = undefined;
    this.post({ type: 'cancel' });
    this.options.onChange();
  }

  /** Ends the worker. */
  dispose(): void {
    this.cancel();
    this.worker?.terminate();
    this.worker = undefined;
    this.sent = '';
    this.result = undefined;
  }

  /** Does a run of the kernel's again. What goes wrong is kept as `problem`; a later run gives this one up. */
  async repeat(run: KernelRun): Promise<void> {
    this.cancel();
    const { serial } = this;
    try {
      if ('refused' in run.browser) throw new Error(run.browser.refused);
      const reply = await this.compute(serial, run, run.browser);
      if (serial !== this.serial) return;
      if (reply.type === 'failed') throw new Error(reply.message);
      this.result = compared(run, reply.answer);
    } catch (error) {
      if (serial !== this.serial) return;
      this.result = undefined;
      this.problem = (error as Error).message;
    }
    this.activity = undefined;
    this.options.onChange();
  }

  private async compute(serial: number, run: KernelRun, browser: LiveBrowserRun): Promise<GpuReply> {
    const { key } = browser;
    this.say('loading the engine');
    this.worker ??= this.startWorker();
    if (this.sent !== key) {
      const bytes = await this.fetchNetwork(serial, run.state.network, key);
      this.post({ type: 'network', key, name: run.state.network, bytes }, [bytes.buffer]);
      this.sent = key;
    }
    if (serial !== this.serial) throw new Error('given up');
    this.say('computing');
    const { masker, rate, region } = run.state;
    const job = {
      ...browser,
      input: floats(run.buffers[0]),
      masks: { masker, rate, region },
      timed: !this.isSoftware,
    };
    const answered = new Promise<GpuReply>((resolve) => {
      this.settle = resolve;
    });
    this.post({ type: 'run', id: serial, job });
    return answered;
  }

  /** @throws when the kernel does not answer, or the run has been given up */
  private async fetchNetwork(serial: number, network: string, key: string): Promise<Uint8Array<ArrayBuffer>> {
    let whole: Uint8Array<ArrayBuffer> | undefined;
    for (let offset = 0; whole === undefined || offset < whole.length; ) {
      const { bytes, totalBytes } = await this.options.piece(network, key, offset);
      if (serial !== this.serial) throw new Error('given up');
      whole ??= new Uint8Array(totalBytes);
      if (totalBytes !== whole.length || bytes.length === 0 || offset + bytes.length > whole.length)
        throw new Error('the network’s file changed on its way here');
      whole.set(bytes, offset);
      offset += bytes.length;
      this.say(`fetching the network, ${formatPercent(offset / totalBytes, 0)}`);
    }
    return whole;
  }

  private startWorker(): Worker {
    const worker = this.environment.makeWorker();
    worker.onmessage = ({ data }: MessageEvent<GpuReply>) => {
      if (data.id === this.serial) this.settle?.(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      if (worker !== this.worker) return;
      worker.terminate();
      this.worker = undefined;
      this.sent = '';
      if (this.activity === undefined) return;
      // Whatever the run waits for, it is over: the worker's answer, or the network for it.
      this.cancel();
      this.result = undefined;
      this.problem = `the engine has stopped in this browser: ${event.message || 'its script cannot be loaded'}`;
      this.options.onChange();
    };
    return worker;
  }

  private post(request: GpuRequest, transfer: Transferable[] = []): void {
    this.worker?.postMessage(request, transfer);
  }

  private say(activity: string): void {
    this.activity = activity;
    this.options.onChange();
  }
}

/** A copy, since a message's bytes may be unaligned. */
const floats = (bytes: Uint8Array | undefined) => new Float32Array(Uint8Array.from(bytes ?? []).buffer);

function compared(
  { state, masks, browser, buffers }: KernelRun,
  { masks: own, output, times }: GpuAnswer,
): GpuResult {
  const kernels = masks.images[0]?.blocks ?? [];
  let cells = 0;
  let differingCells = 0;
  const blocks = kernels.map((block): MasksBlock => {
    const mask = own.find((candidate) => candidate.block === block.index);
    if (!mask || mask.cells.length !== block.cells.length)
      throw new Error(`the mask of ${block.name} has another grid here`);
    cells += mask.cells.length;
    for (let i = 0; i < mask.cells.length; i++) if (mask.cells[i] !== block.cells[i]) differingCells += 1;
    const { margins: _, ...shape } = block;
    return { ...shape, cells: mask.cells, rate: activeShare({ ...shape, cells: mask.cells }) };
  });
  return {
    state,
    blocks,
    cells,
    differingCells,
    outputError: relativeError(output, floats(buffers[1])),
    times,
    predicted: 'predicted' in browser ? browser.predicted : undefined,
  };
}

function relativeError(values: Float32Array, expected: Float32Array): number {
  if (values.length !== expected.length) throw new Error('the output has another size here');
  let [largest, difference] = [0, 0];
  expected.forEach((value, i) => {
    largest = Math.max(largest, Math.abs(value));
    difference = Math.max(difference, Math.abs(values[i]! - value));
  });
  return largest === 0 ? difference : difference / largest;
}
