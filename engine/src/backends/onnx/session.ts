import { ProfileBuilder, passLabel } from '../../backends/profile-builder.js';
import { FoveaError } from '../../errors.js';
import type { Mask } from '../../mask/mask.js';
import { denseBlockFlops, nodeFlops } from '../../network/flops.js';
import type { Network, NetworkNode } from '../../network/network.js';
import type { NetworkShapes } from '../../network/walk.js';
import type { Tensor } from '../../tensor.js';
import type { RunOptions, RunResult, Session } from '../backend.js';
import { thisProcessor } from '../processor.js';
import { runAdaptiveBlock } from './adaptive-block.js';
import { runForeign } from './foreign.js';
import { fromNHWC } from './layout.js';
import { feedOf, OpenModels, runGraph } from './models.js';
import { denseSegments, type Segment, segmentModel } from './segments.js';

/** One run's state. */
interface Run {
  readonly options: RunOptions;
  readonly profile: ProfileBuilder;
  readonly values: Map<string, Tensor>;
  readonly masks: Mask[];
}

/** A network in onnxruntime for one input shape: a graph for each stretch of dense nodes and each adaptive block. */
export class OnnxSession implements Session {
  #last: Promise<unknown> = Promise.resolve();
  #disposed = false;
  readonly #models: OpenModels;
  readonly #segments = new Map<string, readonly Segment[]>();

  constructor(
    readonly network: Network,
    readonly shapes: NetworkShapes,
    readonly batch: number,
  ) {
    // Two plans, each with all blocks adaptive, without opening anything again.
    this.#models = new OpenModels(network.name, 2 * network.nodes.length);
  }

  run(input: Tensor, options: RunOptions): Promise<RunResult> {
    if (this.#disposed)
      return Promise.reject(new FoveaError('bad-argument', 'the session was disposed; open another'));
    const result = this.#last.then(() => this.#run(input, options));
    this.#last = result.catch(() => undefined);
    return result;
  }

  dispose(): void {
    this.#disposed = true;
    // A run under way still uses the graphs.
    void this.#last.then(() => this.#models.close());
  }

  async #run(input: Tensor, options: RunOptions): Promise<RunResult> {
    const { network, batch } = this;
    const { plan, threads, signal, onProgress } = options;
    const profile = new ProfileBuilder(network, plan, {
      ...{ source: 'onnx', batch, threads },
      device: thisProcessor(),
    });
    const started = performance.now();
    const openedBefore = this.#models.openingMs;
    const run: Run = { options, profile, values: new Map([[network.input, input]]), masks: [] };
    const segments = this.#segmentsFor(options);
    for (const [position, segment] of segments.entries()) {
      await pause(signal);
      await this.#step(segment, run);
      for (const value of segment.finished) run.values.delete(value);
      onProgress?.((position + 1) / segments.length, segment.name);
    }
    const openingMs = this.#models.openingMs - openedBefore;
    const output = run.values.get(network.output)!;
    return { output, masks: run.masks, profile: profile.finish(performance.now() - started - openingMs) };
  }

  #segmentsFor({ plan }: RunOptions): readonly Segment[] {
    const key = plan.blocks.map(({ mode }) => (mode === 'adaptive' ? 'a' : 'd')).join('');
    const found = this.#segments.get(key);
    if (found) return found;
    const segments = denseSegments(
      this.network,
      (block) => plan.blocks[block]!.mode === 'adaptive',
      (node) => this.#flopsOf(node),
    );
    this.#segments.set(key, segments);
    return segments;
  }

  async #step(segment: Segment, run: Run): Promise<void> {
    if (segment.kind === 'dense') return this.#dense(segment, run);
    if (segment.kind === 'foreign') return this.#foreign(segment, run);
    const { node } = segment;
    const { options, profile, values } = run;
    const { output, mask } = await runAdaptiveBlock(node, values.get(node.inputs[0]!)!, {
      network: this.network,
      shape: this.shapes.blocks[node.block.index]!,
      plan: options.plan.blocks[node.block.index]!,
      masker: options.maskers[node.block.index]!,
      threads: options.threads,
      models: this.#models,
      profile,
      pause: () => pause(options.signal),
    });
    values.set(node.output, output);
    run.masks.push(mask);
  }

  async #dense(segment: Segment & { kind: 'dense' }, { values, options, profile }: Run): Promise<void> {
    const shapeOf = (value: string) => this.shapes.values.get(value) ?? values.get(value)!.shape;
    const key = `${segment.nodes.length} nodes up to ${segment.name}`;
    const session = await this.#models.get(key, options.threads, () => segmentModel(segment, shapeOf));
    const started = performance.now();
    const feeds = segment.inputs.map((name) => feedOf(`in ${name}`, values.get(name)!));
    const outputs = await runGraph(session, feeds, key);
    const ms = performance.now() - started;
    for (const name of segment.outputs) values.set(name, fromNHWC(outputs[`out ${name}`]!));
    this.#reportDense(segment.nodes, ms, profile);
  }

  /** onnxruntime times a stretch of nodes as a whole; each gets a share of that by the FLOPs it does. */
  #reportDense(nodes: readonly NetworkNode[], ms: number, profile: ProfileBuilder): void {
    const total = nodes.reduce((sum, node) => sum + this.#flopsOf(node), 0);
    if (nodes.length > 1) {
      profile.note(
        'dense nodes that follow each other ran as one onnxruntime graph: each is given its share of the time by FLOPs',
      );
    }
    for (const node of nodes) {
      const flops = this.#flopsOf(node);
      const share = total === 0 ? ms / nodes.length : (ms * flops) / total;
      const bytes = 4 * (this.#size(node.inputs[0]!) + this.#size(node.output));
      if (node.kind !== 'block') {
        profile.addNode(node, share, flops, bytes);
        continue;
      }
      const { index } = node.block;
      const primitives = profile.plan.blocks[index]!.groups.flatMap((group) => group.primitives);
      const labels = [passLabel(node.block, primitives)];
      const passes = { ms: [share], flops: [flops], bytes: [bytes] };
      profile.addBlock(node.block, labels, passes, { rate: 1, dilatedRate: 1, denseFlops: flops });
    }
  }

  async #foreign({ node }: Segment & { kind: 'foreign' }, { values, options, profile }: Run): Promise<void> {
    const inputs = node.inputs.map((name) => values.get(name)!);
    const started = performance.now();
    const output = await runForeign(node, inputs, { threads: options.threads });
    const bytes = 4 * (output.data.length + inputs.reduce((sum, { data }) => sum + data.length, 0));
    profile.addNode(node, performance.now() - started, 0, bytes);
    values.set(node.output, output);
  }

  /** FLOPs of a node computed densely. */
  #flopsOf(node: NetworkNode): number {
    return node.kind === 'block'
      ? denseBlockFlops(node.block, this.shapes.blocks[node.block.index]!, this.batch)
      : nodeFlops(node, this.shapes.values.get(node.inputs[0]!));
  }

  /** Number of values in a map, 0 where its shape is not known. */
  #size(value: string): number {
    return this.shapes.values.get(value)?.reduce((product, extent) => product * extent, 1) ?? 0;
  }
}

/** Lets the event loop run, then stops if that was asked for. */
async function pause(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (signal?.aborted) throw new FoveaError('aborted', 'the run was aborted');
}
