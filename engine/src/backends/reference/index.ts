import { byField, ProfileBuilder, passLabel } from '../../backends/profile-builder.js';
import { FoveaError } from '../../errors.js';
import type { Mask } from '../../mask/mask.js';
import { denseBlockFlops, nodeFlops } from '../../network/flops.js';
import type { Network, NetworkNode } from '../../network/network.js';
import { type NetworkShapes, networkShapes } from '../../network/walk.js';
import { Tensor } from '../../tensor.js';
import type { Backend, RunOptions, RunResult, Session } from '../backend.js';
import { runForeign } from '../onnx/foreign.js';
import { activate } from './activate.js';
import { runBlock } from './block.js';
import { convolve } from './convolve.js';
import { globalPool, poolWindows } from './pool.js';

/**
 * Plain TypeScript: slow, portable, and short enough to be checked by reading. The other backends are tested
 * against it.
 */
export const referenceBackend: Backend = {
  name: 'reference',
  open: async (network, shape) => new ReferenceSession(network, networkShapes(network, shape)),
};

class ReferenceSession implements Session {
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    readonly network: Network,
    readonly shapes: NetworkShapes,
  ) {}

  run(input: Tensor, options: RunOptions): Promise<RunResult> {
    const result = this.#last.then(() => this.#run(input, options));
    this.#last = result.catch(() => undefined);
    return result;
  }

  dispose(): void {}

  async #run(input: Tensor, options: RunOptions): Promise<RunResult> {
    const { network, shapes } = this;
    const batch = input.shape[0];
    const profile = new ProfileBuilder(network, options.plan, {
      source: 'reference',
      batch,
      threads: 1,
    });
    const started = performance.now();
    const values = new Map<string, Tensor>([[network.input, input]]);
    const masks: Mask[] = [];
    const pause = async () => {
      await new Promise((resolve) => setImmediate(resolve));
      if (options.signal?.aborted) throw new FoveaError('aborted', 'the run was aborted');
    };
    for (const [position, node] of network.nodes.entries()) {
      await pause();
      const first = values.get(node.inputs[0]!)!;
      if (node.kind === 'block') {
        const { block } = node;
        const plan = options.plan.blocks[block.index]!;
        const shape = shapes.blocks[block.index]!;
        const report = await runBlock(block, shape, plan, first, options.maskers[block.index]!, pause);
        values.set(node.output, report.output);
        if (report.mask) masks.push(report.mask);
        const labels = report.passes.map(({ primitives }) => passLabel(block, primitives));
        profile.addBlock(block, labels, byField(report.passes), {
          ...report,
          denseFlops: denseBlockFlops(block, shape, batch),
        });
      } else {
        const before = performance.now();
        const output = await runNode(
          node,
          node.inputs.map((name) => values.get(name)!),
        );
        values.set(node.output, output);
        profile.addNode(
          node,
          performance.now() - before,
          nodeFlops(node, first.shape),
          4 * (first.data.length + output.data.length),
        );
      }
      options.onProgress?.((position + 1) / network.nodes.length, node.name);
    }
    return {
      output: values.get(network.output)!,
      masks,
      profile: profile.finish(performance.now() - started),
    };
  }
}

async function runNode(
  node: Exclude<NetworkNode, { kind: 'block' }>,
  inputs: readonly Tensor[],
): Promise<Tensor> {
  const [first, second] = inputs as [Tensor, Tensor?];
  switch (node.kind) {
    case 'convolution':
      return convolve(first, node.convolution);
    case 'max-pool':
    case 'average-pool':
      return poolWindows(first, node);
    case 'global-pool':
      return globalPool(first);
    case 'activation':
      return mapValues(first, (value) => activate(value, node.activation));
    case 'add': {
      if (!second || second.data.length !== first.data.length) {
        throw new FoveaError('bad-shape', `"${node.name}" adds maps of different sizes`);
      }
      return mapValues(first, (value, i) => activate(value + second.data[i]!, node.activation));
    }
    case 'foreign':
      return runForeign(node, inputs);
  }
}

function mapValues(input: Tensor, change: (value: number, index: number) => number): Tensor {
  const output = Tensor.zeros(input.shape);
  for (let i = 0; i < input.data.length; i++) output.data[i] = change(input.data[i]!, i);
  return output;
}
