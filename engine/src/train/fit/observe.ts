import { expectArgument, expectFields, type Kinds } from '../../arguments/expect.js';
import { aFunction, aNetwork, aTensor } from '../../arguments/kinds.js';
import type { Backend, BackendName } from '../../backends/backend.js';
import { runForeign } from '../../backends/onnx/foreign.js';
import { activate } from '../../backends/reference/activate.js';
import { copyChannels, product } from '../../backends/reference/joins.js';
import { attendPixels } from '../../backends/reference/pixel-attention.js';
import { FoveaError } from '../../errors.js';
import type {
  Activation,
  AddNode,
  Block,
  Convolution,
  MultiplyNode,
  Network,
  NetworkNode,
} from '../../network/network.js';
import { blocksOf } from '../../network/network.js';
import { attendedMaps, attendedOutput } from '../../network/pixel-attention.js';
import { windowOf } from '../../network/projection-pool.js';
import { scaled } from '../../network/walk.js';
import { type NetworkRunOptions, runOptionKinds } from '../../run/options.js';
import { run } from '../../run/run.js';
import { usingNetwork } from '../../run/sessions.js';
import { Tensor } from '../../tensor.js';

/** One block seen on the calibration images, computed densely. */
export interface BlockObservation {
  readonly block: Block;
  /** The block's input, `[N, H, W, C]`. */
  readonly input: Tensor;
  /** Squared length of the residual branch at each output pixel, `[N, H, W, 1]`. */
  readonly energy: Tensor;
}

/** How `observeBlocks` runs the network. */
export interface ObserveOptions {
  readonly backend?: BackendName | Backend;
  readonly threads?: number;
  readonly signal?: AbortSignal;
}

const { backend, threads, signal } = runOptionKinds;
/** What each of them is, as far as it can be said without the network. */
export const observeOptionKinds: Kinds<ObserveOptions> = { backend, threads, signal };

/**
 * Runs a network piece by piece and shows each adaptive block's input and how much its residual branch adds
 * at each pixel. One piece is held at a time, and of the values those that are still to be read, so that large
 * networks fit into memory.
 *
 * @param visit called per adaptive block, in execution order; what it returns (`N · H · W` values, 1 for
 *   active) is where the branch is added for the blocks that follow, nothing means everywhere
 * @returns the network's output
 * @throws FoveaError as `run` does
 *
 * @example
 * ```ts
 * import { builtNetwork, Tensor } from '@fovea/engine';
 * import { observeBlocks } from '@fovea/engine/train';
 *
 * await observeBlocks(builtNetwork('resnet18'), Tensor.zeros([1, 64, 64, 3]), {}, ({ block, energy }) => {
 *   console.log(block.name, energy.shape, Math.max(...energy.data));
 * });
 * ```
 */
export async function observeBlocks(
  network: Network,
  images: Tensor,
  options: ObserveOptions,
  visit: (observation: BlockObservation) => Uint8Array | undefined,
): Promise<Tensor> {
  expectArgument(network, aNetwork, 'observeBlocks: network');
  expectArgument(images, aTensor, 'observeBlocks: images');
  expectFields(options, observeOptionKinds, 'observeBlocks');
  expectArgument(visit, aFunction, 'observeBlocks: visit');
  // Only these: callers may pass other options with them.
  const { signal, backend, threads } = options;
  const running: NetworkRunOptions = {
    strategy: 'dense',
    ...(backend === undefined ? {} : { backend }),
    ...(threads === undefined ? {} : { threads }),
    ...(signal ? { signal } : {}),
  };
  const execute = async (nodes: readonly NetworkNode[], input: string, output: string, value: Tensor) => {
    if (signal?.aborted) throw new FoveaError('aborted', 'observing the network was aborted');
    const piece = pieceOf(network, nodes, input, output, value);
    const masker = blocksOf(piece).length > 0 ? { masker: 'random' as const, rate: 1 } : {};
    return usingNetwork(piece, async () => (await run(piece, value, { ...running, ...masker })).output);
  };
  const values = new LiveValues(network, images);
  for (let i = 0; i < network.nodes.length; ) {
    const node = network.nodes[i]!;
    const inputs = values.of(node);
    const chain = chainFrom(network, i);
    const [first] = inputs;
    let output: Tensor;
    if (node.kind === 'block') output = await observeBlock(node.block, first!, execute, visit);
    else if (node.kind === 'foreign' && inputs.length > 1)
      output = await runForeign(node, inputs, threads === undefined ? {} : { threads });
    else if (new Set(node.inputs).size === 1 && !joins(node))
      output = await execute(chain, node.inputs[0]!, chain.at(-1)!.output, first!);
    else output = joined(node, inputs);
    if (signal?.aborted) throw new FoveaError('aborted', 'observing the network was aborted');
    values.finish(chain, output);
    i += chain.length;
  }
  return values.last(network.output);
}

/** The values that nodes still have to read. */
class LiveValues {
  readonly #values: Map<string, Tensor>;
  readonly #readers = new Map<string, number>();

  constructor({ nodes, input, output }: Network, images: Tensor) {
    this.#values = new Map([[input, images]]);
    for (const name of [...nodes.flatMap(({ inputs }) => inputs), output])
      this.#readers.set(name, (this.#readers.get(name) ?? 0) + 1);
  }

  /** What a node reads. */
  of({ inputs }: NetworkNode): Tensor[] {
    return inputs.map((name) => this.last(name));
  }

  last(name: string): Tensor {
    const value = this.#values.get(name);
    if (!value) throw new FoveaError('bad-shape', `"${name}" is read before it is written`);
    return value;
  }

  /** Takes the output of nodes of which each but the first reads what the one before it wrote, and nothing else. */
  finish(chain: readonly NetworkNode[], output: Tensor): void {
    this.#values.set(chain.at(-1)!.output, output);
    for (const name of chain[0]!.inputs) {
      const left = this.#readers.get(name)! - 1;
      this.#readers.set(name, left);
      if (left === 0) this.#values.delete(name);
    }
  }
}

/** Nodes from `at` on that can run as one piece: a block, or what follows upon each other and is not read elsewhere. */
function chainFrom({ nodes, output }: Network, at: number): NetworkNode[] {
  const chain = [nodes[at]!];
  if (nodes[at]!.kind === 'block' || nodes[at]!.inputs.length > 1) return chain;
  for (let next = nodes[at + 1]; next && next.kind !== 'block'; next = nodes[at + chain.length]) {
    const before = chain.at(-1)!.output;
    const readers = nodes.filter(({ inputs }) => inputs.includes(before));
    if (before === output || readers.length !== 1 || next.inputs.join() !== before) break;
    chain.push(next);
  }
  return chain;
}

/** Whether a node's values are those of several, which may be one by the same name. */
const joins = ({ kind }: NetworkNode) => ['concat', 'multiply', 'add'].includes(kind);

/** What a node makes of several values. */
function joined(node: NetworkNode, inputs: readonly Tensor[]): Tensor {
  switch (node.kind) {
    case 'concat':
      return concatenated(inputs);
    case 'multiply':
      return multiplied(node, inputs);
    case 'add':
      return added(node, inputs);
    case 'pixel-attention': {
      const { query, key, value } = attendedMaps(node.attention, inputs);
      const shape = attendedOutput(node.attention, {
        query: query?.shape,
        key: key.shape,
        value: value.shape,
      });
      return attendPixels(node.attention, { key, value, ...(query ? { query } : {}) }, shape);
    }
    default:
      throw new TypeError(`"${node.name}" of kind ${node.kind} reads ${inputs.length} values`);
  }
}

/** Values side by side along the channels. */
function concatenated(inputs: readonly Tensor[]): Tensor {
  const [N, H, W] = inputs[0]!.shape;
  let output = Tensor.zeros([N, H, W, inputs.reduce((sum, { shape }) => sum + shape[3], 0)]);
  let to = 0;
  for (const input of inputs) {
    const count = input.shape[3];
    output = copyChannels(input, output, { from: 0, count, to });
    to += count;
  }
  return output;
}

/** The product of two values. */
function multiplied(node: MultiplyNode, [a, b]: readonly Tensor[]): Tensor {
  return scaled(node, a!.shape, b!.shape).swapped ? product(b!, a!) : product(a!, b!);
}

/** The sum of two values, with the activation of the node. */
function added({ activation }: AddNode, inputs: readonly Tensor[]): Tensor {
  const [a, b] = inputs as [Tensor, Tensor];
  const output = Tensor.zeros(a.shape);
  for (let i = 0; i < output.data.length; i++) output.data[i] = activate(a.data[i]! + b.data[i]!, activation);
  return output;
}

/** A part of a network as a separate network; blocks are renumbered by position. */
function pieceOf(
  network: Network,
  nodes: readonly NetworkNode[],
  input: string,
  output: string,
  { shape: [, height, width, channels] }: Tensor,
): Network {
  let index = 0;
  return {
    name: `${network.name} (part)`,
    format: 'built',
    inputShape: { channels, height, width },
    nodes: nodes.map((node) =>
      node.kind === 'block' ? { ...node, block: { ...node.block, index: index++ } } : node,
    ),
    input,
    output,
    notes: [],
  };
}

type Execute = (
  nodes: readonly NetworkNode[],
  input: string,
  output: string,
  value: Tensor,
) => Promise<Tensor>;

/** Computes a block densely without its last activation, so that taking the shortcut away leaves the branch. */
async function observeBlock(
  block: Block,
  input: Tensor,
  execute: Execute,
  visit: (observation: BlockObservation) => Uint8Array | undefined,
): Promise<Tensor> {
  const node = { name: block.name, inputs: ['x'], output: 'sum' };
  const sum = await execute(
    [{ kind: 'block', ...node, block: { ...block, activation: 'none' } }],
    'x',
    'sum',
    input,
  );
  const output = Tensor.zeros(sum.shape);
  if (!block.adaptive) {
    activateInto(output, block.activation, () => sum);
    return output;
  }
  const shortcut = block.projection
    ? await execute(shortcutNodes(block.projection, block), 'x', 'shortcut', input)
    : input;
  const active = visit({ block, input, energy: energyOf(sum, shortcut) });
  activateInto(output, block.activation, (pixel) => (active && active[pixel] === 0 ? shortcut : sum));
  return output;
}

/** The nodes of a block's shortcut, from `x` to `shortcut`. */
function shortcutNodes(convolution: Convolution, { name, projectionPool: pool }: Block): NetworkNode[] {
  const read = pool ? 'pooled' : 'x';
  return [
    ...(pool
      ? [{ kind: 'average-pool', name, inputs: ['x'], output: read, ...windowOf(pool) } as const]
      : []),
    { kind: 'convolution', name, inputs: [read], output: 'shortcut', convolution },
  ];
}

function activateInto(output: Tensor, activation: Activation, source: (pixel: number) => Tensor): void {
  const C = output.shape[3];
  for (let pixel = 0; pixel * C < output.data.length; pixel++) {
    const { data } = source(pixel);
    for (let i = pixel * C; i < (pixel + 1) * C; i++) output.data[i] = activate(data[i]!, activation);
  }
}

function energyOf(sum: Tensor, shortcut: Tensor): Tensor {
  const [N, H, W, C] = sum.shape;
  const energy = Tensor.zeros([N, H, W, 1]);
  for (let pixel = 0; pixel < energy.data.length; pixel++) {
    let total = 0;
    for (let i = pixel * C; i < (pixel + 1) * C; i++) total += (sum.data[i]! - shortcut.data[i]!) ** 2;
    energy.data[pixel] = total;
  }
  return energy;
}
