import type { Network } from '@fovea/engine';
import { Random } from '@fovea/engine';
import type { NetworkNode, PixelAttention, PixelBias } from '@fovea/engine/backend';

/** Maps that an attention reads: channels and sides of the query's, and how many times smaller along each side the keys' are. */
export interface Attended {
  readonly channels: number;
  readonly sides: readonly [number, number];
  readonly fewer?: number;
}

/** A convolution makes the channels of all heads, which an attention over pixels reads; what it gives is added up once more. */
export function attending(attention: PixelAttention, { channels, sides, fewer = 1 }: Attended): Network {
  const random = new Random(channels, sides[0]);
  const [inChannels, outChannels] = [5, channels];
  const values = (count: number) => Float32Array.from({ length: count }, () => random.next() - 0.5);
  const convolution = (name: string, from: number, to: number) => ({
    ...{ name, inChannels: from, outChannels: to, kernel: [1, 1], stride: [1, 1], padding: [0, 0, 0, 0] },
    ...{ dilation: [1, 1], groups: 1, weight: values(from * to), bias: values(to), activation: 'none' },
  });
  const nodes = [
    {
      kind: 'convolution',
      name: 'made',
      inputs: ['input'],
      output: 'made',
      convolution: convolution('made', inChannels, outChannels),
    },
    ...(fewer === 1
      ? []
      : [
          {
            ...{
              kind: 'average-pool',
              name: 'fewer',
              inputs: ['made'],
              output: 'fewer',
              padding: [0, 0, 0, 0],
            },
            ...{ kernel: [fewer, fewer], stride: [fewer, fewer], ceilMode: false, countIncludePad: false },
          },
        ]),
    {
      ...{ kind: 'pixel-attention', name: 'attended', output: 'attended', attention },
      inputs: [...(attention.query ? ['made'] : []), ...[0, 1].map(() => (fewer === 1 ? 'made' : 'fewer'))],
    },
    {
      ...{ kind: 'convolution', name: 'out', inputs: ['attended'], output: 'out' },
      convolution: convolution('out', attention.heads * attention.width, 6),
    },
  ] as unknown as NetworkNode[];
  return {
    ...{ name: 'attending', format: 'built', input: 'input', output: 'out', notes: [], nodes },
    inputShape: { channels: inChannels, height: sides[0], width: sides[1] },
  };
}

const whole = { patch: [1, 1], epsilon: 0 } as const;
const qkv = (heads: number, depth: number, width = depth) => ({
  ...{ heads, depth, width },
  query: { first: 0, step: heads > 1 ? depth : 0 },
  key: { first: heads * depth, step: heads > 1 ? depth : 0 },
  value: { first: 2 * heads * depth, step: heads > 1 ? width : 0 },
});

/** What is added to the products of so many queries and keys. */
function bias(heads: number, queries: number, keys: number): PixelBias {
  const random = new Random(queries, keys);
  return {
    ...{ queries, keys },
    values: Float32Array.from({ length: heads * queries * keys }, () => 4 * random.next() - 2),
  };
}

/** Attentions of all forms, with what they read: by name. */
export const attentions: readonly (readonly [string, PixelAttention, Attended])[] = [
  [
    'softmax of one head',
    { by: 'softmax', ...qkv(1, 7), ...whole, scale: 0.4 },
    { channels: 21, sides: [5, 6] },
  ],
  [
    'softmax of four heads',
    { by: 'softmax', ...qkv(4, 24), ...whole, scale: 24 ** -0.5 },
    { channels: 288, sides: [12, 12] },
  ],
  [
    'softmax of heads of their own width, in patches',
    { by: 'softmax', ...qkv(3, 9, 14), ...whole, patch: [2, 3], scale: -1.5 },
    { channels: 97, sides: [8, 12] },
  ],
  [
    'softmax of many pixels of fewer keys',
    { by: 'softmax', ...qkv(2, 33, 40), ...whole, scale: 0.2 },
    { channels: 220, sides: [16, 24], fewer: 4 },
  ],
  [
    'softmax of one key and value for all heads',
    {
      ...{ by: 'softmax', heads: 5, depth: 8, width: 6, ...whole, scale: 1, query: { first: 3, step: 9 } },
      ...{ key: { first: 50, step: 0 }, value: { first: 59, step: 0 } },
    },
    { channels: 66, sides: [9, 7] },
  ],
  [
    'linear weights of heads one behind the other',
    {
      ...{ by: 'linear', heads: 8, depth: 16, width: 16, patch: [1, 1], scale: 1, epsilon: 1e-5 },
      ...{ query: { first: 0, step: 48 }, key: { first: 16, step: 48 }, value: { first: 32, step: 48 } },
    },
    { channels: 384, sides: [14, 14] },
  ],
  [
    'linear weights of odd heads, in patches',
    { by: 'linear', ...qkv(3, 5, 31), scale: 1, epsilon: 1e-3, patch: [3, 2] },
    { channels: 123, sides: [12, 10] },
  ],
  [
    'linear weights of many pixels',
    { by: 'linear', ...qkv(1, 70, 65), scale: 1, epsilon: 1e-2, patch: [1, 1] },
    { channels: 205, sides: [24, 26], fewer: 2 },
  ],
  [
    'a context',
    {
      ...{ by: 'context', heads: 1, depth: 1, width: 64, ...whole, patch: [2, 2], scale: 1 },
      ...{ key: { first: 0, step: 0 }, value: { first: 1, step: 0 } },
    },
    { channels: 65, sides: [16, 20] },
  ],
  [
    'a context of three heads',
    {
      ...{ by: 'context', heads: 3, depth: 1, width: 5, ...whole, scale: 2 },
      ...{ key: { first: 1, step: 1 }, value: { first: 4, step: 5 } },
    },
    { channels: 19, sides: [7, 3] },
  ],
  [
    'softmax with a bias',
    { by: 'softmax', ...qkv(3, 8), ...whole, scale: 0.3, bias: bias(3, 30, 30) },
    { channels: 72, sides: [5, 6] },
  ],
  [
    'softmax with a bias of fewer keys',
    { by: 'softmax', ...qkv(2, 6, 10), ...whole, scale: 0.3, bias: bias(2, 64, 16) },
    { channels: 44, sides: [8, 8], fewer: 2 },
  ],
  [
    'softmax with a bias, in patches',
    { by: 'softmax', ...qkv(2, 6), ...whole, patch: [2, 2], scale: 0.3, bias: bias(2, 12, 12) },
    { channels: 36, sides: [6, 8] },
  ],
  [
    'softmax in windows',
    {
      by: 'softmax',
      ...qkv(3, 8),
      ...whole,
      scale: 0.3,
      windows: { extent: [4, 3], shift: [0, 0], apart: 0 },
    },
    { channels: 72, sides: [8, 9] },
  ],
  [
    'softmax in shifted windows whose edges are apart, with a bias',
    {
      ...{ by: 'softmax', ...qkv(3, 7), ...whole, scale: 0.3, bias: bias(3, 49, 49) },
      windows: { extent: [7, 7], shift: [3, 3], apart: -100 },
    },
    { channels: 63, sides: [14, 21] },
  ],
  [
    'softmax in windows that are shifted in one direction',
    {
      by: 'softmax',
      ...qkv(2, 5),
      ...whole,
      scale: 1,
      windows: { extent: [8, 2], shift: [0, 1], apart: -2 },
    },
    { channels: 30, sides: [8, 8] },
  ],
  [
    'softmax in one shifted window',
    {
      by: 'softmax',
      ...qkv(1, 5),
      ...whole,
      scale: 1,
      windows: { extent: [6, 4], shift: [2, 1], apart: 1.5 },
    },
    { channels: 15, sides: [6, 4] },
  ],
  [
    'softmax of many pixels in shifted windows, with a bias',
    {
      ...{ by: 'softmax', ...qkv(3, 8, 16), ...whole, scale: 0.3, bias: bias(3, 49, 49) },
      windows: { extent: [7, 7], shift: [3, 2], apart: -3 },
    },
    { channels: 96, sides: [56, 56] },
  ],
  [
    'softmax of many pixels of large heads',
    { by: 'softmax', ...qkv(1, 64, 64), ...whole, patch: [16, 16], scale: 0.1 },
    { channels: 192, sides: [96, 96] },
  ],
  [
    'softmax of heads of more channels than are kept',
    { by: 'softmax', ...qkv(1, 72, 8), ...whole, scale: 0.1 },
    { channels: 152, sides: [6, 7] },
  ],
  [
    'linear weights in shifted windows',
    {
      ...{ by: 'linear', ...qkv(2, 6, 9), patch: [1, 1], scale: 1, epsilon: 1e-3 },
      windows: { extent: [3, 5], shift: [1, 2], apart: 0 },
    },
    { channels: 42, sides: [9, 10] },
  ],
  [
    'a context in shifted windows',
    {
      ...{ by: 'context', heads: 2, depth: 1, width: 6, ...whole, scale: 2 },
      ...{ key: { first: 0, step: 1 }, value: { first: 2, step: 6 } },
      windows: { extent: [4, 4], shift: [2, 0], apart: 0 },
    },
    { channels: 14, sides: [8, 12] },
  ],
];

/** A network whose first block is followed by an attention of its pixels to each other, which is added to what it gave. */
export function withAttention(network: Network): Network {
  const at = network.nodes.findIndex(({ kind }) => kind === 'block');
  const before = network.nodes[at];
  if (before?.kind !== 'block') throw new Error('a network of blocks attends');
  const width = before.block.branch.at(-1)!.outChannels / 2;
  const heads = { first: 0, step: width };
  const attention = {
    ...({ by: 'softmax', heads: 2, patch: [1, 1] } as const),
    ...{ depth: width, width, scale: width ** -0.5, epsilon: 0, query: heads, key: heads, value: heads },
  };
  const inputs = new Array<string>(3).fill(before.output);
  const attended: NetworkNode[] = [
    { kind: 'pixel-attention', name: 'attended', inputs, output: 'attended', attention },
    {
      ...{ kind: 'add', name: 'summed', inputs: ['attended', before.output], output: 'summed' },
      activation: 'none',
    },
  ];
  const rest = network.nodes.slice(at + 1).map((node) => ({
    ...node,
    inputs: node.inputs.map((name) => (name === before.output ? 'summed' : name)),
  }));
  return { ...network, nodes: [...network.nodes.slice(0, at + 1), ...attended, ...rest] };
}
