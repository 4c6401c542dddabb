import { FoveaError } from '../../errors.js';
import type { Mask, Masker } from '../../mask/mask.js';
import { denseBlockFlops, nodeFlops } from '../../network/flops.js';
import type { Block, Convolution, Network } from '../../network/network.js';
import type { Plan } from '../../plan/plan.js';
import type { Profile } from '../../profile.js';
import { type MeasuredPass, ProfileBuilder } from '../../run/profile-builder.js';
import { type Shape, Tensor } from '../../tensor.js';
import type { RunOptions, RunResult, Session } from '../backend.js';
import { runForeign } from '../onnx/foreign.js';
import { type InferAddon, inferAddon, type SessionHandle } from './addon.js';
import { type AdaptiveBlock, type Decision, type LoweredNetwork, lowerNetwork, type Stop } from './lower.js';
import { activationNumber, type MapReference } from './program-builder.js';

/** Programs kept per session: a person compares a few strategies, a benchmark a few rates. */
const KEPT_PROGRAMS = 16;

/** A lowered network that the addon has accepted. */
interface Program {
  readonly number: number;
  readonly lowered: LoweredNetwork;
}

/** One network at one input shape on native threads. */
export class NativeSession implements Session {
  readonly #addon: InferAddon = inferAddon();
  readonly #handle: SessionHandle;
  readonly #isa: string;
  readonly #convolutions = new Map<Convolution, number>();
  readonly #maskers = new Map<string, number>();
  readonly #programs = new Map<string, Program>();
  readonly #foreignShapes = new Map<string, Shape>();
  /** What ran last: most often what runs next. */
  #latest: { plan: Plan; maskers: readonly Masker[]; program: Program } | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #disposed = false;

  /** @param shape of the input, `[N, H, W, C]` */
  constructor(
    readonly network: Network,
    readonly shape: Shape,
  ) {
    this.#isa = this.#addon.inferKernels();
    this.#handle = this.#addon.inferOpen();
  }

  run(input: Tensor, options: RunOptions): Promise<RunResult> {
    const result = this.#last.then(() => this.#run(input, options));
    this.#last = result.catch(() => undefined);
    return result;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#addon.inferClose(this.#handle);
  }

  /** The number of a convolution's packed weights; packs them when they are met first. */
  convolution(convolution: Convolution): number {
    const known = this.#convolutions.get(convolution);
    if (known !== undefined) return known;
    const number = this.#addon.inferConvolution(
      this.#handle,
      Int32Array.of(
        convolution.inChannels,
        convolution.outChannels,
        ...convolution.kernel,
        ...convolution.stride,
        ...convolution.padding,
        ...convolution.dilation,
        convolution.groups,
        activationNumber(convolution.activation),
      ),
      convolution.weight,
      convolution.bias,
    );
    this.#convolutions.set(convolution, number);
    return number;
  }

  /** The number of a masker that native code evaluates. */
  masker(block: Block, masker: Masker): number {
    const rate = salientRate(masker);
    const key = rate === undefined ? `learned ${block.index}` : `salient ${rate}`;
    const known = this.#maskers.get(key);
    if (known !== undefined) return known;
    const number =
      rate === undefined
        ? this.#addon.inferMasker(this.#handle, 0, block.masker!.weight, block.masker!.bias, 0)
        : this.#addon.inferMasker(this.#handle, 1, new Float32Array(0), 0, rate);
    this.#maskers.set(key, number);
    return number;
  }

  async #run(input: Tensor, options: RunOptions): Promise<RunResult> {
    if (this.#disposed) throw new FoveaError('bad-argument', 'the session has been disposed of');
    const { signal, threads } = options;
    if (!Number.isInteger(threads) || threads < 1 || threads > 256) {
      throw new FoveaError('bad-argument', `threads ${threads}: an integer from 1 to 256 is accepted`);
    }
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
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  async #execute(input: Tensor, options: RunOptions): Promise<RunResult> {
    const { plan, maskers, signal } = options;
    const program = this.#programFor(plan, maskers);
    const { lowered } = program;
    const started = performance.now();
    const scriptMs = new Map<string, number>();
    const margins = new Map<number, Float32Array>();
    for (const adaptive of lowered.adaptive.values()) {
      if (adaptive.decision === 'before') await this.#decide(program, adaptive, options, margins);
    }
    this.#addon.inferWrite(this.#handle, program.number, lowered.input.id, input.data);
    let first = 0;
    for (const stop of lowered.stops) {
      await this.#runInstructions(program, first, stop.at, options);
      first = stop.at;
      if (signal?.aborted) throw new FoveaError('aborted', 'the run was aborted');
      const before = performance.now();
      if (stop.kind === 'decide') await this.#decide(program, stop.adaptive, options, margins);
      else if (!(await this.#runForeign(program, stop, options))) return this.#execute(input, options);
      const key = `${stop.owner.node}.${stop.owner.group}`;
      scriptMs.set(key, (scriptMs.get(key) ?? 0) + performance.now() - before);
    }
    await this.#runInstructions(program, first, lowered.builder.instructions.length, options);
    const output = Tensor.zeros(lowered.output!.shape);
    this.#read(program, lowered.output!, output.data);
    const totalMs = performance.now() - started;
    const masks = this.#readMasks(program, plan, maskers, margins);
    return { output, masks, profile: this.#profile(program, options, masks, scriptMs, totalMs) };
  }

  async #runInstructions(
    { number, lowered }: Program,
    first: number,
    last: number,
    { threads, onProgress }: RunOptions,
  ): Promise<void> {
    if (first === last) return;
    const { instructions } = lowered.builder;
    await this.#addon.inferRun(
      this.#handle,
      number,
      first,
      last,
      threads,
      onProgress &&
        ((done) => {
          const { node } = instructions[done - 1]!.owner;
          onProgress(done / instructions.length, this.network.nodes[node]!.name);
        }),
    );
  }

  #read(program: Program, map: MapReference, values: Float32Array): void {
    this.#addon.inferRead(this.#handle, program.number, map.id, values);
  }

  async #decide(
    program: Program,
    { block, shape, mask, pooled }: AdaptiveBlock,
    { plan, maskers }: RunOptions,
    margins: Map<number, Float32Array>,
  ): Promise<void> {
    const masker = maskers[block.index]!;
    const { batch, rows, columns } = mask;
    const values = new Float32Array(masker.needsPool ? batch * rows * columns * shape.inChannels : 0);
    if (masker.needsPool) this.#read(program, pooled!, values);
    const { granularity } = plan.blocks[block.index]!;
    const decision = await masker.decide({ block, shape, granularity, batch, rows, columns, pooled: values });
    const wanted = batch * rows * columns;
    if (
      decision.cells.length !== wanted ||
      (decision.margins !== undefined && decision.margins.length !== wanted)
    ) {
      throw new FoveaError(
        'bad-shape',
        `masker "${masker.description}" answered ${decision.cells.length} cells for block ${block.index}; ${wanted} are needed`,
      );
    }
    if (decision.margins) margins.set(block.index, decision.margins);
    this.#addon.inferWriteMask(this.#handle, program.number, mask.id, decision.cells);
  }

  /** @returns false when the output's shape was not known: the network has then to be lowered again */
  async #runForeign(
    program: Program,
    stop: Extract<Stop, { kind: 'foreign' }>,
    { threads }: RunOptions,
  ): Promise<boolean> {
    const inputs = stop.inputs.map((map) => {
      const tensor = Tensor.zeros(map.shape);
      this.#read(program, map, tensor.data);
      return tensor;
    });
    const output = await runForeign(stop.node, inputs, { threads });
    if (!stop.output) {
      this.#foreignShapes.set(stop.node.name, output.shape);
      for (const { number } of this.#programs.values()) this.#addon.inferDropProgram(this.#handle, number);
      this.#programs.clear();
      this.#latest = undefined;
      return false;
    }
    this.#addon.inferWrite(this.#handle, program.number, stop.output.id, output.data);
    return true;
  }

  #programFor(plan: Plan, maskers: readonly Masker[]): Program {
    const latest = this.#latest;
    if (latest?.plan === plan && latest.maskers === maskers) return latest.program;
    const program = this.#lowered(plan, maskers);
    this.#latest = { plan, maskers, program };
    return program;
  }

  #lowered(plan: Plan, maskers: readonly Masker[]): Program {
    const decisions = decisionsFor(this.network, plan, maskers);
    const rates = maskers.map((masker, i) => (decisions[i] === 'native' ? salientRate(masker) : undefined));
    const pools = maskers.map(({ needsPool }) => (needsPool ? 1 : 0)).join('');
    const key = JSON.stringify([plan, decisions, rates, pools]);
    const known = this.#programs.get(key);
    if (known) {
      // Reinserted, so that the map's order is that of last use.
      this.#programs.delete(key);
      this.#programs.set(key, known);
      return known;
    }
    const lowered = lowerNetwork(
      this.network,
      plan,
      this.shape,
      this,
      maskers,
      decisions,
      this.#foreignShapes,
    );
    const { builder } = lowered;
    const number = this.#addon.inferProgram(
      this.#handle,
      Float64Array.from(builder.buffers),
      Int32Array.from(builder.maps),
      Int32Array.from(builder.masks),
      Int32Array.from(builder.regions),
      Int32Array.from(builder.halos),
      Int32Array.from(builder.words),
    );
    const program: Program = { number, lowered };
    this.#programs.set(key, program);
    for (const [oldest, { number: dropped }] of this.#programs) {
      if (this.#programs.size <= KEPT_PROGRAMS) break;
      this.#programs.delete(oldest);
      this.#addon.inferDropProgram(this.#handle, dropped);
    }
    return program;
  }

  #readMasks(
    { number, lowered }: Program,
    plan: Plan,
    maskers: readonly Masker[],
    margins: ReadonlyMap<number, Float32Array>,
  ): Mask[] {
    return [...lowered.adaptive.values()].map(({ block, mask, decision }): Mask => {
      const { batch, rows, columns, height, width } = mask;
      const cells = new Uint8Array(batch * rows * columns);
      const nativeMargins = new Float32Array(cells.length);
      this.#addon.inferReadMask(this.#handle, number, mask.id, cells, nativeMargins);
      const known =
        decision === 'native' && maskers[block.index]!.needsPool ? nativeMargins : margins.get(block.index);
      return {
        block: block.index,
        granularity: plan.blocks[block.index]!.granularity,
        batch,
        rows,
        columns,
        height,
        width,
        cells,
        ...(known ? { margins: known } : {}),
      };
    });
  }

  #profile(
    { number, lowered }: Program,
    { plan, threads }: RunOptions,
    masks: readonly Mask[],
    scriptMs: ReadonlyMap<string, number>,
    totalMs: number,
  ): Profile {
    const milliseconds = this.#addon.inferTimings(this.#handle, number);
    const counts = this.#addon.inferRegionCounts(this.#handle, number);
    const sums = new Map<string, { ms: number; flops: number; bytes: number }>();
    const sumOf = (key: string) => {
      let sum = sums.get(key);
      if (!sum) {
        sum = { ms: scriptMs.get(key) ?? 0, flops: 0, bytes: 0 };
        sums.set(key, sum);
      }
      return sum;
    };
    lowered.builder.instructions.forEach(({ owner, work }, i) => {
      const sum = sumOf(`${owner.node}.${owner.group}`);
      const { flops, bytes } = work(counts);
      sum.ms += milliseconds[i]!;
      sum.flops += flops;
      sum.bytes += bytes;
    });
    const [batch] = this.shape;
    const profile = new ProfileBuilder(this.network, plan, {
      source: `native ${this.#isa}`,
      batch,
      threads,
    });
    for (const note of lowered.notes) profile.note(note);
    this.network.nodes.forEach((node, position) => {
      if (node.kind !== 'block') {
        const { ms, bytes } = sumOf(`${position}.-1`);
        profile.addNode(node, ms, nodeFlops(node, lowered.inputShapes[position]!), bytes);
        return;
      }
      const { block } = node;
      const shape = lowered.shapes.get(block.index)!;
      const passes = plan.blocks[block.index]!.groups.map(({ primitives }, group): MeasuredPass => {
        const note = lowered.passNotes.get(`${position}.${group}`);
        return { primitives, ...sumOf(`${position}.${group}`), ...(note ? { note } : {}) };
      });
      const mask = masks.find((candidate) => candidate.block === block.index);
      const region = lowered.adaptive.get(block.index)?.conv1Region;
      profile.addBlock(block, shape, passes, {
        ...(mask ? { mask } : {}),
        dilatedRate: region ? counts[region.id]! / region.pixels : 1,
        denseFlops: denseBlockFlops(block, shape, batch),
      });
    });
    return profile.finish(totalMs);
  }
}

/** The rate of a masker that keeps the cells of most energy. */
function salientRate(masker: Masker): number | undefined {
  const { rate } = masker as { rate?: unknown };
  return masker.kind === 'saliency' && typeof rate === 'number' ? rate : undefined;
}

/** Who decides each block's mask. */
function decisionsFor(network: Network, plan: Plan, maskers: readonly Masker[]): Decision[] {
  const decisions: Decision[] = plan.blocks.map(() => 'before');
  for (const node of network.nodes) {
    if (node.kind !== 'block' || plan.blocks[node.block.index]!.mode !== 'adaptive') continue;
    const masker = maskers[node.block.index];
    if (!masker) {
      throw new FoveaError(
        'bad-argument',
        `${maskers.length} maskers given; one per block is needed, block ${node.block.index} has none`,
      );
    }
    const native =
      (masker.kind === 'learned' && node.block.masker !== undefined) || salientRate(masker) !== undefined;
    decisions[node.block.index] = native ? 'native' : masker.needsPool ? 'between' : 'before';
  }
  return decisions;
}
