import { isPromise } from '../../arguments/said.js';
import { FoveaError } from '../../errors.js';
import type { Mask } from '../../mask/mask.js';
import { convolutionsOf } from '../../network/convolutions.js';
import type { Convolution, Network } from '../../network/network.js';
import type { PixelBias } from '../../network/pixel-attention.js';
import { biasesOf } from '../../network/pixel-biases.js';
import type { OrtTensor } from '../../onnxruntime.js';
import type { AdaptiveBlock } from '../../primitives/network-lowering.js';
import type { Profile } from '../../profile.js';
import type { Decider, OperationOf, ProgramMap } from '../../program/program.js';
import type { Shape, Tensor } from '../../tensor.js';
import { checkThreads } from '../../threads.js';
import { askMasker } from '../ask-masker.js';
import type { RunOptions, RunResult, Session } from '../backend.js';
import { checkFinite } from '../finite.js';
import { KeptPrograms } from '../kept-programs.js';
import { type ForeignInput, runForeignAsIs } from '../onnx/foreign.js';
import { engineShape, fileDims, floatsOf } from '../onnx/layout.js';
import { thisProcessor } from '../processor.js';
import type { ProgramReport, RunHeader, RunRecord, ScriptRecord } from '../program-report.js';
import { type QueuedRunOptions, RunQueue } from '../run-queue.js';
import type { ScriptedOperation } from '../scripted.js';
import { asFoveaError, type InferAddon, inferAddon, type SessionHandle } from './addon.js';
import { geometryWords, normalisationValues } from './encode.js';
import { type NativeProgram, nativePrograms } from './programs.js';

/** How native sessions are to run; everything has a default that suits the machine. */
export interface NativeOptions {
  /**
   * Output pixels in each band of a stream, the passes of one group that run interleaved, where the plan does not say it: an
   * integer of 1 to 2³⁰, the map's width for bands of a row. Left out or 0, as many as suit the caches. Results are the same
   * with any; small bands are slow, and there so that tests make small maps stream as large ones do.
   */
  readonly bandPixels?: number;
}

const noValues = new Float32Array(0);

/** One network at one input shape on native threads; `pack` comes before the first run. */
export class NativeSession implements Session {
  readonly #addon: InferAddon = inferAddon();
  readonly #handle: SessionHandle;
  readonly #source: string;
  readonly #convolutions = new Map<Convolution, number>();
  readonly #maskers = new Map<string, number>();
  readonly #biases = new Map<PixelBias, number>();
  readonly #programs: KeptPrograms<NativeProgram>;
  readonly #queue = new RunQueue();
  /** Copies of what foreign nodes read. */
  readonly #kept = new WeakMap<ScriptedOperation, readonly Float32Array<ArrayBuffer>[]>();

  /**
   * @param shape of the input, `[N, H, W, C]`
   * @throws FoveaError `bad-argument` for options out of range
   */
  constructor(
    readonly network: Network,
    readonly shape: Shape,
    { bandPixels = 0 }: NativeOptions = {},
  ) {
    this.#source = `native ${this.#addon.inferKernels()}`;
    this.#handle = this.#addon.inferOpen(bandPixels);
    this.#programs = new KeptPrograms(
      network,
      shape,
      nativePrograms(network, this.#addon, this.#handle, this),
    );
  }

  run(input: Tensor, options: RunOptions): Promise<RunResult> {
    return this.#queue.add(options, (queued) => this.#run(input, queued));
  }

  dispose(): void {
    // Not under runs that were asked for before: closing would break them off.
    this.#queue.close(() => this.#addon.inferClose(this.#handle));
  }

  /** Packs all weights, one convolution after the other, so that other code has its turn in between. */
  async pack(): Promise<void> {
    try {
      for (const convolution of convolutionsOf(this.network)) {
        if (this.#convolutions.has(convolution)) continue;
        const number = await this.#addon.inferConvolution(
          this.#handle,
          geometryWords(convolution),
          convolution.weight,
          convolution.bias,
          convolution.slopes ?? noValues,
          normalisationValues(convolution),
        );
        this.#convolutions.set(convolution, number);
      }
      for (const { bias } of biasesOf(this.network)) {
        if (!this.#biases.has(bias)) this.#biases.set(bias, this.#addon.inferBias(this.#handle, bias.values));
      }
    } catch (error) {
      throw asFoveaError(error);
    }
  }

  /** The number of a convolution's packed weights. */
  convolution(convolution: Convolution): number {
    return this.#convolutions.get(convolution)!;
  }

  /** The number of what is added to an attention's products. */
  bias(bias: PixelBias): number {
    return this.#biases.get(bias)!;
  }

  /** The number of a masker that native code evaluates. */
  masker(decider: Decider): number {
    const key = decider.kind === 'learned' ? `learned ${decider.block.index}` : `salient ${decider.rate}`;
    const known = this.#maskers.get(key);
    if (known !== undefined) return known;
    let number: number;
    if (decider.kind === 'learned') {
      const { weight, bias } = decider.block.masker!;
      number = this.#addon.inferMasker(this.#handle, 0, weight, bias, 0);
    } else {
      number = this.#addon.inferMasker(this.#handle, 1, noValues, 0, decider.rate);
    }
    this.#maskers.set(key, number);
    return number;
  }

  async #run(input: Tensor, options: QueuedRunOptions): Promise<RunResult> {
    const { signal, threads } = options;
    checkThreads(threads);
    if (input.shape.some((extent, axis) => extent !== this.shape[axis])) {
      throw new FoveaError(
        'bad-shape',
        `input of shape [${input.shape.join(', ')}]; this session takes [${this.shape.join(', ')}]`,
      );
    }
    if (signal?.aborted) throw new FoveaError('aborted', 'the run was aborted before it began');
    const abort = () => this.#addon.inferAbort(this.#handle);
    signal?.addEventListener('abort', abort);
    try {
      return await this.#execute(input, options);
    } catch (error) {
      throw asFoveaError(error);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  async #execute(input: Tensor, options: QueuedRunOptions): Promise<RunResult> {
    const { plan, maskers, threads, signal } = options;
    this.#addon.inferExpectRun();
    const program = this.#programs.get(plan, maskers);
    const { lowered, encoded, number, report } = program;
    const started = performance.now();
    const script: ScriptRecord = { ms: new Map(), margins: new Map() };
    let decided = false;
    for (const adaptive of lowered.adaptive.values()) {
      if (adaptive.decision.by !== 'given') continue;
      const answer = this.#ask(program, adaptive, options, script);
      report.decided(adaptive, isPromise(answer) ? await answer : answer);
      decided = true;
    }
    if (decided) this.#addon.inferWriteMasks(this.#handle, number, report.cells);
    const finite = this.#addon.inferWrite(this.#handle, number, lowered.program.input.id, input.data);
    if (!finite) checkFinite(input);
    let first = 0;
    let dims: readonly number[] | undefined;
    for (const { at, owner, operation } of encoded.stops) {
      await this.#runInstructions(program, first, at, options);
      first = at;
      if (signal?.aborted) throw new FoveaError('aborted', 'the run was aborted');
      const before = performance.now();
      if (operation.kind === 'ask') {
        const adaptive = lowered.adaptive.get(operation.block.index)!;
        const cells = await this.#ask(program, adaptive, options, script);
        this.#addon.inferWriteMask(this.#handle, number, operation.mask.id, cells);
      } else {
        const output = await this.#runForeign(program, operation, options);
        if (!operation.output) return this.#execute(input, options);
        if (operation.node.output === this.network.output) dims = fileDims(output);
      }
      const pass = report.passOf(owner);
      script.ms.set(pass, (script.ms.get(pass) ?? 0) + performance.now() - before);
    }
    const running = this.#runInstructions(program, first, encoded.instructions.length, options);
    // While native threads compute, allocate the arrays for their results.
    const record = report.record(dims);
    await running;
    this.#readResults(program, record);
    report.checkDecided(record, options.maskers);
    if (options.paced) this.#readPaces(number, record);
    const totalMs = performance.now() - started;
    return lazily(report, record, script, {
      ...{ source: this.#source, threads, totalMs },
      device: thisProcessor(),
    });
  }

  /** Not awaited twice over: every turn of the event loop's queue counts in a run of a few milliseconds. */
  #runInstructions(
    { number, encoded }: NativeProgram,
    first: number,
    last: number,
    { threads, paced = false, onProgress }: RunOptions,
  ): Promise<void> | undefined {
    if (first === last) return undefined;
    const { instructions } = encoded;
    return this.#addon.inferRun(
      this.#handle,
      number,
      first,
      last,
      threads,
      Number(paced),
      onProgress &&
        ((done) => {
          const { node } = instructions[done - 1]!.owner;
          onProgress(done / instructions.length, this.network.nodes[node]!.name);
        }),
    );
  }

  /** Fills `record` with what the last run of a program left in the addon. */
  #readResults({ number, lowered }: NativeProgram, record: RunRecord): void {
    const { output, milliseconds, counts, cells, margins } = record;
    const { id } = lowered.program.output!;
    this.#addon.inferResults(this.#handle, number, id, output.data, milliseconds, counts, cells, margins);
  }

  /** Adds to `record` the pace of a program's last run. */
  #readPaces(number: number, record: RunRecord): void {
    const atMs = new Float64Array(record.milliseconds.length);
    const spentMs = this.#addon.inferPaces(this.#handle, number, atMs);
    record.paces = { atMs, handoverMs: this.#addon.inferHandover(this.#handle, number), spentMs };
  }

  #read(program: NativeProgram, map: ProgramMap, values: Float32Array): void {
    this.#addon.inferRead(this.#handle, program.number, map.id, values);
  }

  /** A masker's cells for a block. */
  #ask(
    program: NativeProgram,
    adaptive: AdaptiveBlock,
    options: QueuedRunOptions,
    script: ScriptRecord,
  ): Uint8Array | Promise<Uint8Array> {
    const { block, shape, mask, pooled } = adaptive;
    if (!options.maskers[block.index]!.needsPool) return askMasker(adaptive, options, script, noValues);
    const values = new Float32Array(mask.batch * mask.rows * mask.columns * shape.inChannels);
    this.#read(program, pooled!, values);
    return askMasker(adaptive, options, script, values);
  }

  /** Runs a foreign node; where its output's shape was not known, the network has to be lowered again. */
  async #runForeign(
    program: NativeProgram,
    operation: OperationOf<'foreign'>,
    { threads }: RunOptions,
  ): Promise<OrtTensor> {
    const { node, output: map } = operation;
    const inputs = this.#foreignInputs(program, operation);
    const output = await runForeignAsIs(node, inputs, { threads, shape: map?.shape });
    if (!map) {
      this.#programs.learnShape(node.name, engineShape(output, node.name));
      return output;
    }
    const write = output.dims.length === 4 ? this.#addon.inferWritePlanes : this.#addon.inferWrite;
    write(this.#handle, program.number, map.id, floatsOf(output));
    return output;
  }

  /** Maps change their layout as they are copied, into memory that is kept: new memory costs more than the copy. */
  #foreignInputs({ number }: NativeProgram, operation: OperationOf<'foreign'>): ForeignInput[] {
    let kept = this.#kept.get(operation);
    kept ??= operation.inputs.map(({ shape: [N, H, W, C] }) => new Float32Array(N * H * W * C));
    this.#kept.set(operation, kept);
    return operation.inputs.map(({ id, shape }, i) => {
      const copy = kept[i]!;
      const values = (byChannel: boolean) => {
        const read = byChannel ? this.#addon.inferReadPlanes : this.#addon.inferRead;
        read(this.#handle, number, id, copy);
        return copy;
      };
      return { shape, values };
    });
  }
}

/**
 * A result whose masks and Profile are built when they are first read; from then on they are plain data. A function of
 * its own: closures inside a method of the session would keep the session, and all that it has packed.
 */
function lazily(
  report: ProgramReport,
  record: RunRecord,
  script: ScriptRecord,
  header: RunHeader,
): RunResult {
  let masks: Mask[] | undefined;
  let profile: Profile | undefined;
  return {
    output: record.output,
    get masks() {
      masks ??= report.masks(record, script);
      return masks;
    },
    get profile() {
      profile ??= report.profile(record, script.ms, header);
      return profile;
    },
  };
}
