import type { Block, Mask, Network, Profile } from '@fovea/engine';
import { Tensor } from '@fovea/engine';
import type { Convolution } from '@fovea/engine/backend';

/** A generator of numbers in 0…1 that repeats itself for a seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function convolution(name: string, inChannels: number, outChannels: number, side: number): Convolution {
  const pad = (side - 1) / 2;
  return {
    name,
    inChannels,
    outChannels,
    kernel: [side, side],
    stride: [1, 1],
    padding: [pad, pad, pad, pad],
    dilation: [1, 1],
    groups: 1,
    weight: new Float32Array(inChannels * outChannels * side * side),
    bias: new Float32Array(outChannels),
    activation: 'relu',
  };
}

/** A network of `perStage.length` stages of bottleneck blocks; the weights are zeros. */
export function sampleNetwork(perStage: readonly number[] = [2, 2]): Network {
  const blocks: Block[] = [];
  perStage.forEach((count, stage) => {
    for (let i = 0; i < count; i++) {
      blocks.push({
        index: blocks.length,
        stage,
        name: `layer${stage + 1}.${i}`,
        kind: 'bottleneck',
        branch: [
          convolution('conv1', 16, 4, 1),
          convolution('conv2', 4, 4, 3),
          convolution('conv3', 4, 16, 1),
        ],
        activation: 'relu',
        adaptive: true,
      });
    }
  });
  return {
    name: 'sample',
    format: 'built',
    inputShape: { channels: 3, height: 56, width: 56 },
    nodes: blocks.map((block) => ({
      kind: 'block' as const,
      block,
      name: block.name,
      inputs: [`x${block.index}`],
      output: `x${block.index + 1}`,
    })),
    input: 'x0',
    output: `x${blocks.length}`,
    labels: ['cat', 'dog', 'bird'],
    notes: [],
  };
}

/** A mask whose left half is active. */
export function leftHalfMask(block: number, side: number, granularity: number, batch = 1): Mask {
  const rows = Math.max(1, Math.floor(side / granularity));
  const cells = new Uint8Array(batch * rows * rows);
  cells.forEach((_, i) => {
    cells[i] = (i % rows) * 2 < rows ? 1 : 0;
  });
  return { block, granularity, batch, rows, columns: rows, height: side, width: side, cells };
}

/** A profile whose every figure follows from the seed. */
export function sampleProfile(
  network: Network,
  {
    kind = 'measured',
    strategy = 'lasnet',
    device = 'this machine',
    seed = 1,
  }: Partial<Pick<Profile, 'kind' | 'strategy' | 'device'> & { seed: number }> = {},
): Profile {
  const random = seeded(seed);
  const blocks = network.nodes.flatMap((node) => (node.kind === 'block' ? [node.block] : []));
  const ops = blocks.flatMap((block) =>
    [
      ['pool', 'mask'] as const,
      ['conv1'] as const,
      ['gather', 'conv2'] as const,
      ['conv3', 'scatter', 'add'] as const,
    ].map((primitives) => {
      const computeMs = random();
      const dataMs = random() * 0.4;
      const overheadMs = random() * 0.1;
      return {
        name: `${block.name} ${primitives.join('+')}`,
        block: block.index,
        primitives,
        totalMs: computeMs + dataMs + overheadMs,
        computeMs,
        dataMs,
        overheadMs,
        flops: 1e6,
        flopsAvoided: 5e5,
        bytes: 1e5,
      };
    }),
  );
  const sum = (items: typeof ops, key: 'totalMs' | 'computeMs' | 'dataMs' | 'overheadMs') =>
    items.reduce((total, op) => total + op[key], 0);
  return {
    kind,
    network: network.name,
    source: 'sample',
    device,
    strategy,
    batch: 1,
    threads: 1,
    ops,
    blocks: blocks.map((block) => {
      const own = ops.filter((op) => op.block === block.index);
      return {
        block: block.index,
        name: block.name,
        stage: block.stage,
        mode: 'adaptive',
        granularity: 7,
        rate: 0.5,
        dilatedRate: 0.6,
        totalMs: sum(own, 'totalMs'),
        computeMs: sum(own, 'computeMs'),
        dataMs: sum(own, 'dataMs'),
        overheadMs: sum(own, 'overheadMs'),
        flops: 4e6,
        flopsAvoided: 2e6,
      };
    }),
    totalMs: sum(ops, 'totalMs'),
    flops: 1e8,
    flopsAvoided: 5e7,
    notes: [],
  };
}

/** An image tensor with a bright disc on a colour gradient, values 0…1. */
export function discImage(side = 56, batch = 1): Tensor {
  const image = Tensor.zeros([batch, side, side, 3]);
  for (let n = 0; n < batch; n++) {
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const inside = Math.hypot(x - side / 3, y - side / 2) < side / 4;
        image.data.set(
          inside ? [0.95, 0.8, 0.2] : [0.1, y / side / 2, x / side / 2 + 0.2],
          ((n * side + y) * side + x) * 3,
        );
      }
    }
  }
  return image;
}
