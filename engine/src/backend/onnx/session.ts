import { FoveaError } from '../../errors.js';
import { decideMask } from '../../mask/decide.js';
import { activeFraction, spreadCells } from '../../mask/geometry.js';
import type { Mask } from '../../mask/mask.js';
import { adaptivePool } from '../../mask/pool.js';
import { convolutionFlops, denseBlockFlops, nodeFlops, regionPixels } from '../../network/flops.js';
import type { BlockNode, Network, NetworkNode } from '../../network/network.js';
import type { BlockShape } from '../../network/shapes.js';
import type { NetworkShapes } from '../../network/walk.js';
import type { BlockPlan, Primitive } from '../../plan/plan.js';
import { type MeasuredPass, ProfileBuilder } from '../../run/profile-builder.js';
import { Tensor } from '../../tensor.js';
import type { RunOptions, RunResult, Session } from '../backend.js';
import { runForeign } from './foreign.js';
import { type InferenceSession, loadRuntime, type OrtTensor, openModel, runModel } from './runtime.js';
import { denseSegments, type Segment, segmentModel } from './segments.js';
import { skipGraph, sparseGraph } from './sparse-graph.js';
import { sparseLists } from './sparse-lists.js';
import { neededRegions, sparseForm } from './sparse-shape.js';

/** Graphs of one network for one input shape, opened when a plan first needs them. */
export class OnnxSession implements Session {
  #last: Promise<unknown> = Promise.resolve();
  #disposed = false;
  readonly #open = new Map<string, Promise<InferenceSession>>();
  readonly #segments = new Map<string, readonly Segment[]>();

  constructor(
    readonly network: Network,
    readonly shapes: NetworkShapes,
    readonly batch: number,
  ) {}

  run(input: Tensor, options: RunOptions): Promise<RunResult> {
    const result = this.#last.then(() => this.#run(input, options));
    this.#last = result.catch(() => undefined);
    return result;
  }

  dispose(): void {
    this.#disposed = true;
    const sessions = [...this.#open.values()];
    this.#open.clear();
    // A run under way still uses them.
    void this.#last.then(() =>
      Promise.allSettled(sessions.map(async (session) => (await session).release())),
    );
  }

  async #run(input: Tensor, options: RunOptions): Promise<RunResult> {
    const { network, batch } = this;
    if (this.#disposed) throw new FoveaError('bad-argument', 'the session was disposed; open another');
    const profile = new ProfileBuilder(network, options.plan, {
      source: 'onnx',
      batch,
      threads: options.threads,
    });
    const started = performance.now();
    const run: Run = {
      options,
      profile,
      values: new Map([[network.input, input]]),
      masks: [],
    };
    const segments = this.#segmentsFor(options);
    for (const [position, segment] of segments.entries()) {
      await this.#pause(options.signal);
      if (segment.kind === 'adaptive') await this.#adaptive(segment.node, run);
      else if (segment.kind === 'foreign') await this.#foreign(segment, run);
      else await this.#dense(segment, position, run);
      for (const value of segment.finished) run.values.delete(value);
      options.onProgress?.((position + 1) / segments.length, segment.name);
    }
    const output = run.values.get(network.output)!;
    return { output, masks: run.masks, profile: profile.finish(performance.now() - started) };
  }

  #segmentsFor({ plan }: RunOptions): readonly Segment[] {
    const key = plan.blocks.map(({ mode }) => (mode === 'adaptive' ? 'a' : 'd')).join('');
    let segments = this.#segments.get(key);
    if (!segments) {
      segments = denseSegments(this.network, (block) => plan.blocks[block]!.mode === 'adaptive');
      this.#segments.set(key, segments);
    }
    return segments;
  }

  /** Lets the event loop run, then stops if that was asked for. */
  async #pause(signal: AbortSignal | undefined): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (signal?.aborted) throw new FoveaError('aborted', 'the run was aborted');
  }

  #model(key: string, threads: number, make: () => Uint8Array): Promise<InferenceSession> {
    const full = `${key} ${threads}`;
    let session = this.#open.get(full);
    if (!session) {
      session = openModel(make(), { threads }, `${this.network.name}, ${key}`);
      this.#open.set(full, session);
      session.catch(() => this.#open.delete(full));
    }
    return session;
  }

  async #dense(segment: Segment & { kind: 'dense' }, position: number, run: Run): Promise<void> {
    const { values, options, profile } = run;
    const key = `nodes ${segment.name} (${position}, ${segment.nodes.length})`;
    const shapeOf = (value: string) => this.shapes.values.get(value) ?? values.get(value)!.shape;
    const session = await this.#model(key, options.threads, () => segmentModel(segment, shapeOf));
    const started = performance.now();
    const outputs = await this.#call(
      session,
      segment.inputs.map((name) => [`in ${name}`, values.get(name)!.shape, values.get(name)!.data]),
      key,
    );
    const ms = performance.now() - started;
    for (const name of segment.outputs) values.set(name, engineTensor(outputs[`out ${name}`]!));
    this.#reportDense(segment.nodes, ms, profile);
  }

  /** onnxruntime times a segment as a whole; its nodes get shares of that by the FLOPs they do. */
  #reportDense(nodes: readonly NetworkNode[], ms: number, profile: ProfileBuilder): void {
    const { batch } = this;
    const flopsOf = (node: NetworkNode) =>
      node.kind === 'block'
        ? denseBlockFlops(node.block, this.shapes.blocks[node.block.index]!, batch)
        : nodeFlops(node, this.shapes.values.get(node.inputs[0]!));
    const total = nodes.reduce((sum, node) => sum + flopsOf(node), 0);
    if (nodes.length > 1) {
      profile.note(
        'consecutive dense nodes ran as one onnxruntime graph: each is given its share of the time by FLOPs',
      );
    }
    for (const node of nodes) {
      const flops = flopsOf(node);
      const share = total === 0 ? ms / nodes.length : (ms * flops) / total;
      const bytes = 4 * (this.#size(node.inputs[0]!) + this.#size(node.output));
      if (node.kind !== 'block') {
        profile.addNode(node, share, flops, bytes);
        continue;
      }
      const primitives = profile.plan.blocks[node.block.index]!.groups.flatMap((group) => group.primitives);
      profile.addBlock(
        node.block,
        this.shapes.blocks[node.block.index]!,
        [{ primitives, ms: share, flops, bytes }],
        {
          dilatedRate: 1,
          denseFlops: flops,
        },
      );
    }
  }

  /** Values in a map, 0 where its shape is not known. */
  #size(value: string): number {
    return this.shapes.values.get(value)?.reduce((product, extent) => product * extent, 1) ?? 0;
  }

  async #foreign(segment: Segment & { kind: 'foreign' }, { values, options, profile }: Run): Promise<void> {
    const { node } = segment;
    const inputs = node.inputs.map((name) => values.get(name)!);
    const started = performance.now();
    const output = await runForeign(node, inputs, { threads: options.threads });
    const bytes = 4 * (output.data.length + inputs.reduce((sum, { data }) => sum + data.length, 0));
    profile.addNode(node, performance.now() - started, 0, bytes);
    values.set(node.output, output);
  }

  async #adaptive(node: BlockNode, run: Run): Promise<void> {
    const { block } = node;
    const { options, profile, values } = run;
    const plan = options.plan.blocks[block.index]!;
    const shape = this.shapes.blocks[block.index]!;
    const input = values.get(node.inputs[0]!)!;
    const { mask, passes: decided } = await this.#decide(node, shape, plan, input, run);
    run.masks.push(mask);
    await this.#pause(options.signal);

    const beforeIndex = performance.now();
    const active = spreadCells(mask.cells, mask, this.batch, shape.outHeight, shape.outWidth);
    const regions = neededRegions(block, shape, plan, active, this.batch);
    const form = sparseForm(block, shape, plan, mask);
    if (form.note) profile.note(form.note);
    const empty = activeFraction(active) === 0;
    const lists = empty ? undefined : sparseLists(block, shape, mask, form, regions, active);
    const indexMs = performance.now() - beforeIndex;
    await this.#pause(options.signal);

    const settled = isSettled(this.network, node);
    const key = empty ? `${block.name} skipped` : `${block.name} ${JSON.stringify(form)}`;
    const session = await this.#model(key, options.threads, () =>
      lists ? sparseGraph(block, shape, this.batch, form, settled) : skipGraph(block, shape, this.batch),
    );
    const before = performance.now();
    const feeds = [...(lists?.feeds ?? [])].map(
      ([name, { dims, values: list }]) => [name, dims, list] as const,
    );
    const outputs = await this.#call(session, [['x', input.shape, input.data], ...feeds], block.name);
    const graphMs = performance.now() - before;
    const output = engineTensor(outputs.y!);
    values.set(node.output, output);

    const pixels = lists?.pixels ?? block.branch.map(() => 0);
    const flops = this.#flops(node, shape, pixels, empty);
    const listBytes = [...(lists?.feeds.values() ?? [])].reduce(
      (sum, { values: list }) => sum + list.byteLength,
      0,
    );
    const rest = plan.groups
      .flatMap((group) => group.primitives)
      .filter((primitive) => !['pool', 'mask', 'index', 'next-pool'].includes(primitive));
    if (plan.groups.length > 4) {
      profile.note('onnxruntime runs the branch of a block as one graph, whatever groups the plan makes');
    }
    const first = shape.branch[0]!;
    profile.addBlock(
      block,
      shape,
      [
        ...decided,
        { primitives: ['index'], ms: indexMs, flops: 0, bytes: active.length + listBytes },
        {
          primitives: rest,
          ms: graphMs,
          flops,
          bytes: 4 * (input.data.length + output.data.length) + listBytes,
        },
      ],
      {
        mask,
        dilatedRate: regionPixels(regions[0]!, this.batch, first) / (this.batch * first.height * first.width),
        denseFlops: denseBlockFlops(block, shape, this.batch),
      },
    );
  }

  /** The block's mask, and the passes that found it. */
  async #decide(
    { block }: BlockNode,
    shape: BlockShape,
    plan: BlockPlan,
    input: Tensor,
    { options }: Run,
  ): Promise<{ mask: Mask; passes: MeasuredPass[] }> {
    const masker = options.maskers[block.index]!;
    let poolMs = 0;
    let pooledValues = 0;
    const before = performance.now();
    const mask = await decideMask(masker, block, shape, this.batch, plan.granularity, (grid) => {
      const pooled = adaptivePool(input, grid);
      poolMs = performance.now() - before;
      pooledValues = pooled.length;
      return pooled;
    });
    const primitives = (primitive: Primitive): readonly Primitive[] => [primitive];
    const pool = {
      primitives: primitives('pool'),
      ms: poolMs,
      flops: 0,
      bytes: 4 * (input.data.length + pooledValues),
    };
    const decide = {
      primitives: primitives('mask'),
      ms: performance.now() - before - poolMs,
      flops: 2 * pooledValues,
      bytes: 4 * pooledValues + mask.cells.length,
    };
    return { mask, passes: masker.needsPool ? [pool, decide] : [decide] };
  }

  #flops({ block }: BlockNode, shape: BlockShape, pixels: readonly number[], empty: boolean): number {
    const { projection, squeezeExcitation } = block;
    const all = this.batch * shape.outHeight * shape.outWidth;
    let flops = projection ? convolutionFlops(projection, all) : 0;
    block.branch.forEach((convolution, i) => {
      flops += convolutionFlops(convolution, pixels[i]!);
    });
    if (squeezeExcitation && !empty) {
      flops +=
        convolutionFlops(squeezeExcitation.reduce, this.batch) +
        convolutionFlops(squeezeExcitation.expand, this.batch);
    }
    return flops;
  }

  async #call(
    session: InferenceSession,
    feeds: readonly (readonly [string, readonly number[], Float32Array | BigInt64Array])[],
    source: string,
  ): Promise<Record<string, OrtTensor>> {
    const { Tensor: OrtTensor } = await loadRuntime();
    const tensors = feeds.map(([name, dims, data]) => [
      name,
      data instanceof Float32Array
        ? new OrtTensor('float32', unshared(data), dims)
        : new OrtTensor('int64', data, dims),
    ]);
    return runModel(session, Object.fromEntries(tensors), source);
  }
}

/** One run's state. */
interface Run {
  readonly options: RunOptions;
  readonly profile: ProfileBuilder;
  readonly values: Map<string, Tensor>;
  readonly masks: Mask[];
}

/** onnxruntime takes no shared memory. */
function unshared(data: Float32Array): Float32Array {
  return data.buffer instanceof SharedArrayBuffer ? Float32Array.from(data) : data;
}

/** An NHWC result as it stands. */
function engineTensor({ dims, data }: OrtTensor): Tensor {
  return new Tensor(dims as unknown as [number, number, number, number], data as Float32Array);
}

/** Whether the block's activation leaves the block's input as it is, because the node before has applied it. */
function isSettled(network: Network, node: BlockNode): boolean {
  const { activation, projection } = node.block;
  if (activation === 'none') return true;
  if (projection || (activation !== 'relu' && activation !== 'relu6')) return false;
  let before = network.nodes.find(({ output }) => output === node.inputs[0]);
  while (before?.kind === 'max-pool') {
    const value = before.inputs[0];
    before = network.nodes.find(({ output }) => output === value);
  }
  if (before?.kind === 'block') return before.block.activation === activation;
  if (before?.kind === 'convolution') return before.convolution.activation === activation;
  return (before?.kind === 'add' || before?.kind === 'activation') && before.activation === activation;
}
