import type { Block, Network } from '@fovea/engine';
import { Tensor } from '@fovea/engine';
import type {
  Convolution,
  ConvolutionActivation,
  NetworkNode,
  PixelAttention,
  PixelWeighting,
} from '@fovea/engine/backend';
import { LONGEST_BRANCH } from '../../../engine/src/network/longest-branch.js';
import { attentionOfKind, type Gate } from '../support/attention.js';
import { maxPoolBehind } from '../support/pooled-branches.js';
import { type Case, inputChannels, isAdaptive, type JoinCase } from './case.js';

/** Uniform numbers from −1 to 1, quickly: a network of real width has millions of weights. */
function uniform(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 31;
  };
}

/** A seed for one part of a case, so that parts keep their numbers while others are taken away. */
function seedOf(test: Case, part: string): number {
  let hash = test.seed;
  for (const letter of part) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193);
  return hash >>> 0;
}

interface Layer {
  readonly kernel?: number;
  readonly kernelWidth?: number;
  readonly stride?: number;
  readonly dilation?: number;
  readonly shift?: number;
  readonly samePadding?: Convolution['samePadding'];
  readonly groups?: number;
  readonly activation?: ConvolutionActivation;
  readonly normalised?: boolean;
  readonly uncentred?: true | undefined;
  /** Below 1 for the last layer of a branch, so that sums of many blocks stay in range. */
  readonly gain?: number;
}

/** A node without what says where it stands. */
type Unnamed = NetworkNode extends infer Node
  ? Node extends NetworkNode
    ? Omit<Node, 'name' | 'inputs' | 'output'>
    : never
  : never;

/**
 * The network of a case. Learned maskers have a direction, and get their thresholds by `withBias`.
 * @param weights false: without any, for who asks only how it is built
 */
export function networkOf(test: Case, weights = true): Network {
  const convolution = (name: string, inChannels: number, outChannels: number, layer: Layer): Convolution => {
    const { kernel = 1, kernelWidth = kernel, stride = 1, dilation = 1, shift = 0 } = layer;
    const { groups = 1, activation = 'none', gain = 1 } = layer;
    const perOutput = (inChannels / groups) * kernel * kernelWidth;
    const scale = gain * Math.sqrt(6 / perOutput);
    const next = uniform(seedOf(test, name));
    // An even kernel has its odd zero behind the map.
    const zeros = [kernel, kernelWidth].map((size) => (size - 1) * dilation);
    const before = zeros.map((count) => (count >> 1) - shift);
    const after = zeros.map((count, axis) => count - before[axis]!);
    const bySize = stride > 1 && kernel * kernelWidth > 1 ? layer.samePadding : undefined;
    return {
      name,
      inChannels,
      outChannels,
      kernel: [kernel, kernelWidth],
      stride: [stride, stride],
      ...(bySize
        ? { padding: [0, 0, 0, 0], samePadding: bySize }
        : { padding: [before[0]!, before[1]!, after[0]!, after[1]!] }),
      dilation: [dilation, dilation],
      groups,
      // `Float32Array.from` would take several times as long for the millions that they are.
      weight: new Float32Array(weights ? outChannels * perOutput : 0).map(() => next() * scale),
      bias: Float32Array.from({ length: outChannels }, () => next() * 0.1),
      activation,
      ...(activation === 'prelu'
        ? { slopes: Float32Array.from({ length: outChannels }, () => next() * 0.5) }
        : {}),
      ...(layer.normalised
        ? {
            normalisation: {
              scale: Float32Array.from({ length: outChannels }, () => 1 + next() * 0.5),
              shift: Float32Array.from({ length: outChannels }, () => next() * 0.2),
              // A few channels are often nearly alike, which leaves rounding alone to be scaled up.
              epsilon: outChannels < 8 ? 1e-2 : 1e-6,
              ...(layer.uncentred ? { centred: false } : {}),
            },
          }
        : {}),
    };
  };
  /** A layer of an attention. */
  const gate: Gate = (name, from, to, layer) => {
    const { normalisation: _, ...made } = convolution(name, from, to, {
      kernel: layer.kernel ?? 1,
      groups: layer.groups ?? 1,
    });
    return { ...made, activation: layer.activation };
  };
  const { stem } = test;
  const nodes: NetworkNode[] = [];
  let value = 'input';
  const append = (node: Unnamed, output: string, inputs = [value]) => {
    nodes.push({ ...node, name: output, inputs, output });
    value = output;
  };
  append(
    {
      kind: 'convolution',
      convolution: convolution('stem', 3, stem.channels, {
        kernel: stem.kernel,
        stride: stem.stride,
        activation: 'relu',
      }),
    },
    'stem',
  );
  if (stem.pool) {
    const window = { kernel: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1] } as const;
    append({ kind: 'max-pool', ...window, ceilMode: false, countIncludePad: false }, 'stem pool');
  }
  test.blocks.forEach((_, index) => {
    append({ kind: 'block', block: blockOf(test, index, convolution, gate) }, `block ${index}`);
    for (const { of } of test.skips.filter(({ after }) => after === index)) {
      append({ kind: 'add', activation: 'relu' }, `${value} + ${of}`, [value, `block ${of}`]);
    }
    for (const join of test.joins ?? []) if (join.after === index) appendJoin(test, join, append, value);
  });
  if (test.classes > 0) {
    append({ kind: 'global-pool' }, 'pool');
    append(
      {
        kind: 'convolution',
        convolution: convolution('classifier', inputChannels(test, test.blocks.length), test.classes, {}),
      },
      'logits',
    );
  }
  return {
    name: 'case',
    format: 'built',
    inputShape: { channels: 3, height: test.height, width: test.width },
    nodes,
    input: 'input',
    output: value,
    notes: [],
  };
}

/** The nodes of a join behind a value. */
function appendJoin(
  test: Case,
  { after, of, factor, interpolation, first, product, statistics, attends, windows }: JoinCase,
  append: (node: Unnamed, output: string, inputs?: string[]) => void,
  value: string,
): void {
  const { channels } = test.blocks[after]!;
  const name = `${value} beside ${of}`;
  const grows = factor.some((one) => one > 1);
  const sides = [value, `block ${of}`].map((side, i) => {
    if (!grows) return side;
    const larger = `${name}, larger ${i}`;
    append({ kind: 'resize', factor, interpolation: i === 0 ? interpolation : 'nearest' }, larger, [side]);
    return larger;
  });
  append({ kind: 'concat' }, name, sides);
  const some = `${name}, some`;
  append({ kind: 'slice', first: Math.floor(first * channels), channels }, some);
  if (product === 'pixels') {
    append({ kind: 'slice', first: 0, channels: 1 }, `${some}, first`);
    append({ kind: 'multiply' }, `${some}, scaled`, [`${some}, first`, some]);
  } else if (product !== undefined) {
    const means = `${some}, means`;
    append({ kind: 'global-pool' }, means);
    append({ kind: 'multiply' }, `${some}, scaled`, product === 'scale' ? [some, means] : [means, some]);
    if (product === 'square') append({ kind: 'multiply' }, `${some}, squared`, [`${some}, scaled`, some]);
  }
  if (statistics !== undefined) {
    const groups = statistics === 'moments' && channels % 2 === 0 ? 2 : 1;
    append({ kind: 'normalise-map', by: statistics, groups, epsilon: 1e-2 }, `${some}, normalised`);
  }
  if (attends) {
    const heads = channels % 4 === 0 ? 4 : 1;
    const width = channels / heads;
    const own = { first: 0, step: heads > 1 ? width : 0 };
    const attention = {
      ...{ by: attends, heads, depth: attends === 'context' ? 1 : width, width, scale: 1 },
      ...(windows
        ? { patch: [1, 1] as const, ...inWindows(factor, heads, windows, attends) }
        : { patch: factor }),
      epsilon: attends === 'linear' ? 1e-2 : 0,
      ...{ ...(attends === 'context' ? {} : { query: own }), key: own, value: own },
    };
    const multiplied = product === 'square' ? `${some}, squared` : `${some}, scaled`;
    const before = statistics ? `${some}, normalised` : product ? multiplied : some;
    const inputs = new Array<string>(attends === 'context' ? 2 : 3).fill(before);
    append({ kind: 'pixel-attention', attention }, `${some}, attended`, inputs);
    // Pixels that see the same may become alike: no masker could choose among them.
    append({ kind: 'add', activation: 'none' }, `${some}, summed`, [`${some}, attended`, before]);
  }
  if (!grows) return;
  const window = { kernel: factor, stride: factor, padding: [0, 0, 0, 0] } as const;
  append({ kind: 'max-pool', ...window, ceilMode: false, countIncludePad: false }, `${name}, smaller`);
}

/** Windows of pixels, in which by softmax there is a bias, and edges are told apart. */
function inWindows(
  extent: readonly [number, number],
  heads: number,
  windows: 'plain' | 'shifted',
  by: PixelWeighting,
): Pick<PixelAttention, 'windows' | 'bias'> {
  const shift = windows === 'shifted' ? ([extent[0] >> 1, extent[1] >> 1] as const) : ([0, 0] as const);
  const apart = by === 'softmax' && shift.some((pixels) => pixels > 0) ? -1.5 : 0;
  const seen = extent[0] * extent[1];
  const values = Float32Array.from({ length: heads * seen * seen }, (_, i) => ((i * 7) % 11) / 5 - 1);
  return {
    windows: { extent, shift, apart },
    ...(by === 'softmax' ? { bias: { queries: seen, keys: seen, values } } : {}),
  };
}

function blockOf(
  test: Case,
  index: number,
  convolution: (name: string, inChannels: number, outChannels: number, layer: Layer) => Convolution,
  gate: Gate,
): Block {
  const wanted = test.blocks[index]!;
  const { kind, width, channels, stride, stridesFirst, groups } = wanted;
  const { squeeze, squeezesLast, attention = 'squeeze', inner, outer } = wanted;
  const inChannels = inputChannels(test, index);
  const name = `block ${index}`;
  const { kernel, kernelWidth = kernel, dilation, samePadding } = wanted;
  const { normalised, uncentred } = wanted;
  const everything = { normalised: normalised === 'all', uncentred };
  const spatial = {
    normalised: normalised !== undefined,
    uncentred,
    kernel,
    kernelWidth,
    dilation,
    shift: Math.min(kernel, kernelWidth) > 2 ? wanted.shift : 0,
    ...(samePadding ? { samePadding } : {}),
  };
  const last = { gain: 0.4, ...everything };
  const layer = (position: number, from: number, to: number, options: Layer) =>
    convolution(`${name} conv${position}`, from, to, options);
  const branches = {
    single: () => [layer(1, inChannels, channels, { ...spatial, stride, gain: last.gain })],
    basic: () => [
      layer(1, inChannels, width, { ...spatial, stride, activation: inner }),
      layer(2, width, channels, { ...spatial, gain: last.gain }),
    ],
    bottleneck: () => [
      layer(1, inChannels, width, { ...everything, stride: stridesFirst ? stride : 1, activation: inner }),
      layer(2, width, width, {
        ...spatial,
        stride: stridesFirst ? 1 : stride,
        groups: kind === 'inverted' ? width : groups,
        activation: inner,
      }),
      layer(3, width, channels, last),
    ],
    convnext: () => [
      layer(1, inChannels, inChannels, { ...spatial, stride, groups: inChannels }),
      layer(2, inChannels, width, { ...everything, activation: inner }),
      layer(3, width, channels, last),
    ],
    separable: () => [
      layer(1, inChannels, inChannels, { groups: inChannels, activation: inner }),
      layer(2, inChannels, inChannels, { ...spatial, groups: inChannels }),
      layer(3, inChannels, width, { ...everything, activation: inner }),
      layer(4, width, width, { ...spatial, groups: width }),
      layer(5, width, width, { ...everything, activation: inner }),
      layer(6, width, width, { ...spatial, stride, groups: width }),
      layer(7, width, channels, last),
    ],
  };
  const branch = withPool(branches[kind === 'inverted' ? 'bottleneck' : kind](), wanted.pools ?? false);
  const next = uniform(seedOf(test, `${name} masker`));
  const squeezesBehind = squeezesLast || branch.length === 1;
  const squeezes = squeezesBehind ? channels : width;
  const projects = kind !== 'inverted' && (stride > 1 || channels !== inChannels);
  return {
    index,
    stage: index,
    name,
    kind: kind === 'single' ? 'residual' : kind === 'convnext' || kind === 'separable' ? 'inverted' : kind,
    branch,
    activation: outer,
    adaptive: isAdaptive(wanted, inChannels),
    ...(squeeze > 0
      ? {
          attention: attentionOfKind(
            { kind: attention, after: branch.length - (squeezesBehind ? 1 : 2), channels: squeezes, squeeze },
            inner === 'hardswish' ? 'hardsigmoid' : 'sigmoid',
            (part, from, to, layer) => gate(`${name} ${part}`, from, to, layer),
          ),
        }
      : {}),
    ...(projects
      ? wanted.pooledShortcut
        ? {
            projection: convolution(`${name} projection`, inChannels, channels, { gain: 0.7, ...everything }),
            projectionPool: { size: [stride, stride], ceilMode: true } as const,
          }
        : {
            projection: convolution(`${name} projection`, inChannels, channels, {
              stride,
              gain: 0.7,
              ...everything,
            }),
          }
      : {}),
    ...(wanted.masker === 'learned'
      ? { masker: { weight: Float32Array.from({ length: inChannels }, next), bias: 0 } }
      : {}),
  };
}

/** The network with the biases of its learned maskers, by block. */
export function withBias(network: Network, bias: ReadonlyMap<number, number>): Network {
  const nodes = network.nodes.map((node): NetworkNode => {
    if (node.kind !== 'block' || !node.block.masker) return node;
    const { masker, index } = node.block;
    return { ...node, block: { ...node.block, masker: { ...masker, bias: bias.get(index) ?? 0 } } };
  });
  return { ...network, nodes };
}

/** All pictures of a case, as one batch: noise on waves, so that cells differ. */
export function picturesOf(test: Case): Tensor {
  const { height, width, pictures } = test;
  const images = Tensor.zeros([pictures, height, width, 3]);
  const next = uniform(seedOf(test, 'pictures'));
  let at = 0;
  for (let n = 0; n < pictures; n++) {
    const [rise, run, shift] = [4 * next(), 4 * next(), 3 * next()];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const wave = Math.sin((rise * y) / height + (run * x) / width + shift) + 0.2;
        for (let c = 0; c < 3; c++) images.data[at++] = 1.5 * wave * (next() + 0.2);
      }
    }
  }
  return images;
}

/** Some of the images of a batch, in the given order. */
export function batchOf({ shape: [, H, W, C], data }: Tensor, numbers: readonly number[]): Tensor {
  const batch = Tensor.zeros([numbers.length, H, W, C]);
  const length = H * W * C;
  numbers.forEach((number, i) => {
    batch.data.set(data.subarray(number * length, (number + 1) * length), i * length);
  });
  return batch;
}

/** A branch of several convolutions with a max-pool behind the first, where it has room for it. */
function withPool(branch: readonly Convolution[], pools: boolean): readonly Convolution[] {
  const [first, ...rest] = branch;
  return pools && rest.length > 0 && branch.length < LONGEST_BRANCH
    ? [first!, maxPoolBehind(first!), ...rest]
    : branch;
}
