import { FoveaError } from '../../errors.js';
import { blocksOf, type Network } from '../../network/network.js';
import { networkShapes } from '../../network/walk.js';
import { lowerNetwork } from '../../plan/lower.js';
import { decisionOf } from '../../primitives/decision.js';
import { workOf } from '../../program/work.js';
import type { Shape, Tensor } from '../../tensor.js';
import type { Backend, RunOptions, RunResult, Session } from '../backend.js';
import { thisProcessor } from '../processor.js';
import { ProgramReport } from '../program-report.js';
import { type QueuedRunOptions, RunQueue } from '../run-queue.js';
import { Interpreter, UnknownShape } from './interpreter.js';

/**
 * Plain TypeScript: slow, portable, and short enough to be checked by reading. The other backends are tested
 * against it.
 */
export const referenceBackend: Backend = {
  name: 'reference',
  async open(network, { batch, height, width }) {
    networkShapes(network, { batch, height, width });
    return new ReferenceSession(network, [batch, height, width, network.inputShape.channels]);
  },
};

class ReferenceSession implements Session {
  readonly #foreignShapes = new Map<string, Shape>();
  readonly #queue = new RunQueue();

  constructor(
    readonly network: Network,
    readonly shape: Shape,
  ) {}

  run(input: Tensor, options: RunOptions): Promise<RunResult> {
    return this.#queue.add(options, (queued) => this.#run(input, queued));
  }

  dispose(): void {
    this.#queue.close(() => undefined);
  }

  async #run(input: Tensor, options: QueuedRunOptions): Promise<RunResult> {
    try {
      return await this.#execute(input, options);
    } catch (error) {
      if (!(error instanceof UnknownShape)) throw error;
      this.#foreignShapes.set(error.node, error.value.shape);
      return this.#run(input, options);
    }
  }

  async #execute(
    input: Tensor,
    { plan, maskers, threads, onProgress, ...asking }: QueuedRunOptions,
  ): Promise<RunResult> {
    const { nodes } = this.network;
    const decisions = blocksOf(this.network).map((block) => decisionOf(block, maskers[block.index]));
    const lowered = lowerNetwork(this.network, plan, this.shape, decisions, this.#foreignShapes);
    const { program } = lowered;
    const report = new ProgramReport(
      this.network,
      plan,
      lowered,
      program.steps.map(({ owner, operations }) => ({ owner, work: operations.flatMap(workOf) })),
    );
    const { signal } = asking;
    const started = performance.now();
    const interpreter = new Interpreter(lowered, plan, maskers, threads, input, asking);
    await interpreter.masks.begin();
    const milliseconds: number[] = [];
    for (const [position, { owner, operations }] of program.steps.entries()) {
      const before = performance.now();
      for (const operation of operations) {
        await new Promise((resolve) => setImmediate(resolve));
        if (signal?.aborted) throw new FoveaError('aborted', 'the run was aborted');
        await interpreter.perform(operation);
      }
      milliseconds.push(performance.now() - before);
      if (owner.node !== program.steps[position + 1]?.owner.node)
        onProgress?.((owner.node + 1) / nodes.length, nodes[owner.node]!.name);
    }
    const totalMs = performance.now() - started;
    const record = {
      output: interpreter.value(program.output!),
      milliseconds: Float64Array.from(milliseconds),
      counts: interpreter.masks.counts,
    };
    return {
      output: record.output,
      masks: interpreter.masks.all,
      profile: report.profile(record, new Map(), {
        ...{ source: 'reference', threads: 1, totalMs },
        device: thisProcessor(),
      }),
    };
  }
}
