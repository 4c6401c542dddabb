import type { AdaptiveBlock } from '../../primitives/network-lowering.js';
import type { Profile } from '../../profile.js';
import type { ProgramMap } from '../../program/program.js';
import { Tensor } from '../../tensor.js';
import { askMasker } from '../ask-masker.js';
import type { RunResult } from '../backend.js';
import type { RunRecord, ScriptRecord } from '../program-report.js';
import type { QueuedRunOptions } from '../run-queue.js';
import type { ScriptedOperation } from '../scripted.js';
import type { GpuProgram } from './gpu-program.js';
import { kernelTimings } from './kernel-timings.js';
import { variantsNote } from './notes.js';
import type { Resident } from './resident.js';
import { workIn } from './submission-bound.js';
import { checkAborted, Submissions } from './submissions.js';
import { exactBytes } from './transfers.js';

/**
 * One run of a program: one submission, one more for each thing that JavaScript has to do in between, and for a large
 * network or a slow GPU as many as keep each of them short.
 */
export class GpuRun {
  readonly #script: ScriptRecord = { ms: new Map(), margins: new Map() };
  readonly #submissions: Submissions;
  /** Of what was encoded: the pass, and the number that it is timed by. */
  readonly #encoded: { readonly pass: number; readonly timed: number }[] = [];

  /** In which timestamps come, where those hide what a pass takes. */
  #stepMs: number | undefined;

  constructor(
    readonly resident: Resident,
    readonly program: GpuProgram,
    readonly options: QueuedRunOptions,
    readonly started: number,
  ) {
    this.#submissions = new Submissions(resident.device, resident.network.name, options.signal);
  }

  async finish(input: Tensor, again: (input: Tensor) => Promise<RunResult>): Promise<RunResult> {
    const { program, resident, options } = this;
    const { lowered, encoded, shared, report } = program;
    await this.#writeGivenMasks();
    this.#write(input.data);
    this.#submissions.encoder.clearBuffer(shared.counters);
    program.encodeTransfer(this.#submissions.encoder, 'import', encoded.program.input);
    let first = 0;
    let fileDims: readonly number[] | undefined;
    for (const { at, owner, operation } of encoded.stops) {
      await this.#encodePasses(first, at);
      first = at;
      const before = performance.now();
      if (operation.kind === 'ask') await this.#ask(lowered.adaptive.get(operation.block.index)!);
      else {
        const output = await this.#runForeign(operation);
        if (!operation.output) {
          resident.programs.learnShape(operation.node.name, output.shape);
          return again(input);
        }
        if (operation.node.output === resident.network.output) fileDims = output.fileDims;
      }
      const pass = report.passOf(owner);
      this.#script.ms.set(pass, (this.#script.ms.get(pass) ?? 0) + performance.now() - before);
      options.onProgress?.(at / encoded.passes.length, resident.network.nodes[owner.node]!.name);
      checkAborted(options.signal);
    }
    await this.#encodePasses(first, encoded.passes.length);
    const record = report.record(fileDims);
    await this.#readResults(record);
    report.checkDecided(record, options.maskers);
    options.onProgress?.(1, resident.network.nodes.at(-1)!.name);
    const totalMs = performance.now() - this.started;
    const { device } = resident;
    const profile = report.profile(record, this.#script.ms, {
      source: `webgpu ${device.precision}${device.software ? ', a software driver' : ''}`,
      device: device.name,
      threads: 1,
      totalMs,
      notes: this.#notes(record),
      kernels: kernelTimings(
        encoded.passes,
        device,
        this.#passesMs(record) > 0 ? record.milliseconds : undefined,
      ),
    });
    this.#learn(profile, record);
    return { output: record.output, masks: report.masks(record, this.#script), profile };
  }

  /** Encodes passes `first` … `last` − 1, and submits what would become too much. */
  async #encodePasses(first: number, last: number): Promise<void> {
    const { program, resident, options } = this;
    const submissions = this.#submissions;
    const { passes } = program.encoded;
    for (let pass = first; pass < last; pass++) {
      for (const piece of program.pieces(pass, resident.device.bound.work)) {
        if (!submissions.hasRoom(piece.work)) {
          await submissions.next();
          options.onProgress?.(pass / passes.length, resident.network.nodes[passes[pass]!.owner.node]!.name);
          checkAborted(options.signal);
        }
        program.encode(submissions.encoder, piece);
        submissions.add(piece.work);
        this.#encoded.push({ pass, timed: piece.timed });
      }
    }
  }

  /** How fast the GPU is follows from what the run did. */
  #learn({ flops, ops }: Profile, record: RunRecord): void {
    const bytes = ops.reduce((sum, op) => sum + op.bytes, 0);
    const ms = this.#passesMs(record) || this.#submissions.totalMs;
    this.resident.device.bound.ran(workIn({ flops, bytes }), ms);
  }

  /** Of all passes, by their timestamps; 0 where there are none, or they say nothing. */
  #passesMs({ milliseconds }: RunRecord): number {
    return milliseconds.reduce((sum, ms) => sum + ms, 0);
  }

  /** What a reader of the Profile should know of the run as a whole. */
  #notes(record: RunRecord): string[] {
    const { stops } = this.program.encoded;
    const asked = stops.filter(({ operation }) => operation.kind === 'ask').length;
    const variants = variantsNote(this.program.encoded, this.program.chosenBy);
    return [
      ...(variants ? [variants] : []),
      ...(this.resident.device.software
        ? ['a software driver stood in for a GPU: times say nothing about one']
        : []),
      ...(this.#passesMs(record) > 0
        ? []
        : ['this adapter times no passes: only the time of the whole run was measured']),
      ...(this.#stepMs
        ? [
            `timestamps come in steps of ${this.#stepMs.toFixed(2)} ms here: times of single passes say little`,
          ]
        : []),
      ...(asked > 0
        ? [
            `${asked} masks came from JavaScript: the run was submitted in pieces, the pooled input read back for each`,
          ]
        : []),
    ];
  }

  async #writeGivenMasks(): Promise<void> {
    const { lowered, report, shared } = this.program;
    let decided = false;
    for (const adaptive of lowered.adaptive.values()) {
      if (adaptive.decision.by !== 'given') continue;
      const noValues = new Float32Array(0);
      report.decided(adaptive, await askMasker(adaptive, this.options, this.#script, noValues));
      decided = true;
    }
    if (decided) this.#queue.writeBuffer(shared.cells, 0, Uint32Array.from(report.cells));
  }

  async #ask(adaptive: AdaptiveBlock): Promise<void> {
    const { program } = this;
    const { mask, pooled } = adaptive;
    const values = await this.#read(pooled!);
    const cells = await askMasker(adaptive, this.options, this.#script, values);
    const at = program.encoded.lists.firstCell[mask.id]! * 4;
    this.#queue.writeBuffer(program.shared.cells, at, Uint32Array.from(cells));
  }

  async #runForeign({
    node,
    inputs,
    output: map,
  }: Extract<ScriptedOperation, { kind: 'foreign' }>): Promise<Tensor> {
    const values: Tensor[] = [];
    for (const input of inputs) values.push(new Tensor(input.shape, await this.#read(input)));
    const { runForeign } = await import('../onnx/foreign.js');
    const output = await runForeign(node, values, { threads: this.options.threads, shape: map?.shape });
    if (map) {
      this.#write(output.data);
      this.program.encodeTransfer(this.#submissions.encoder, 'import', map);
    }
    return output;
  }

  get #queue(): GPUQueue {
    return this.resident.device.gpu.queue;
  }

  #write(values: Float32Array): void {
    // Copied where threads share it: browsers take no shared memory.
    const own = values.buffer instanceof ArrayBuffer ? values : Float32Array.from(values);
    this.#queue.writeBuffer(this.program.shared.values, 0, own as Float32Array<ArrayBuffer>);
  }

  /** The values of a map, read in the middle of a run. */
  async #read(map: ProgramMap): Promise<Float32Array<ArrayBuffer>> {
    const { shared, readable } = this.program;
    const { encoder } = this.#submissions;
    const bytes = exactBytes(map);
    this.program.encodeTransfer(encoder, 'export', map);
    encoder.copyBufferToBuffer(shared.values, 0, readable, 0, bytes);
    return new Float32Array(await this.#submissions.read(readable, bytes));
  }

  /** Reads back everything that a run leaves behind, at once. */
  async #readResults({ output, cells, margins, counts, milliseconds }: RunRecord): Promise<void> {
    const { program } = this;
    const { shared, readable, readBack, timer, encoded } = program;
    const { encoder } = this.#submissions;
    program.encodeTransfer(encoder, 'export', encoded.program.output!);
    const copy = (source: GPUBuffer, at: number, bytes: number) => {
      if (bytes > 0) encoder.copyBufferToBuffer(source, 0, readable, at, bytes);
    };
    copy(shared.values, readBack.output, output.data.byteLength);
    copy(shared.cells, readBack.cells, cells.length * 4);
    copy(shared.margins, readBack.margins, margins.length * 4);
    copy(shared.counters, readBack.counters, counts.length * 8);
    timer?.encodeRead(encoder, readable, readBack.times);
    const bytes = await this.#submissions.read(readable, readBack.total);
    output.data.set(new Float32Array(bytes, readBack.output, output.data.length));
    cells.set(new Uint32Array(bytes, readBack.cells, cells.length));
    margins.set(new Float32Array(bytes, readBack.margins, margins.length));
    const counters = new Uint32Array(bytes, readBack.counters, counts.length * 2);
    for (let region = 0; region < counts.length; region++) counts[region] = counters[2 * region]!;
    if (!timer) return;
    this.#stepMs = timer.stepMs(bytes, readBack.times);
    const times = timer.read(bytes, readBack.times, performance.now() - this.started);
    for (const { pass, timed } of this.#encoded) milliseconds[pass]! += times[timed]!;
  }
}
