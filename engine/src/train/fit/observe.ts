import type { Backend } from '../../backends/backend.js';
import { activate } from '../../backends/reference/activate.js';
import { FoveaError } from '../../errors.js';
import type { Activation, Block, Convolution, Network, NetworkNode } from '../../network/network.js';
import { blocksOf } from '../../network/network.js';
import { windowOf } from '../../network/projection-pool.js';
import type { NetworkRunOptions } from '../../run/options.js';
import { run } from '../../run/run.js';
import { releaseNetwork } from '../../run/sessions.js';
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
  readonly backend?: string | Backend;
  readonly threads?: number;
  readonly signal?: AbortSignal;
}

/**
 * Runs a network piece by piece and shows each adaptive block's input and how much its residual branch adds
 * at each pixel. One piece is held at a time, so that large networks fit into memory.
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
    try {
      const masker = blocksOf(piece).length > 0 ? { masker: 'random' as const, rate: 1 } : {};
      return (await run(piece, value, { ...running, ...masker })).output;
    } finally {
      await releaseNetwork(piece);
    }
  };
  let begin = 0;
  let value = images;
  let name = network.input;
  for (const [i, node] of network.nodes.entries()) {
    const before = network.nodes.slice(begin, i);
    if (node.kind !== 'block' || !standsAlone(network, before, i, name)) continue;
    if (i > begin) value = await execute(before, name, node.inputs[0]!, value);
    value = await observeBlock(node.block, value, execute, visit);
    name = node.output;
    begin = i + 1;
  }
  return begin < network.nodes.length
    ? execute(network.nodes.slice(begin), name, network.output, value)
    : value;
}

/** Whether one value leads to a block, one into it and one on from it: no other way around or into what is cut there. */
function standsAlone({ nodes }: Network, before: readonly NetworkNode[], at: number, value: string): boolean {
  const { inputs, output } = nodes[at]!;
  return (
    needOnly(before, value) && needOnly(nodes.slice(at), inputs[0]!) && needOnly(nodes.slice(at + 1), output)
  );
}

/** Whether nodes read nothing but one value and what they write themselves. */
function needOnly(nodes: readonly NetworkNode[], value: string): boolean {
  const known = new Set([value]);
  return nodes.every(({ inputs, output }) => {
    const fed = inputs.every((name) => known.has(name));
    known.add(output);
    return fed;
  });
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
