import { FoveaError } from '../../errors.js';
import type {
  Activation,
  Block,
  Convolution,
  LayerNormalisation,
  LearnedMasker,
  Network,
  NetworkNode,
  PlainConvolution,
} from '../network.js';
import { RandomWeights } from './random-weights.js';

/** Options that every built architecture takes. */
export interface BuiltOptions {
  /** Seed of the random weights; default 1. */
  readonly seed?: number;
  /** Width of the classifier; default 1000. */
  readonly classes?: number;
  /** Nominal input side; any other size may be run. Default 224. */
  readonly inputSize?: number;
  /** Gives every adaptive block a learned masker with random weights, one granularity a stage. */
  readonly maskers?: { readonly granularity: readonly number[] };
}

/** What `NetworkBuilder.convolution` needs beyond the widths. */
export interface LayerOptions {
  readonly kernel?: number;
  readonly stride?: number;
  readonly groups?: number;
  /** Zeros on each side; what keeps the map's size at stride 1 when left out. */
  readonly padding?: number;
  readonly activation?: Activation;
  /** Multiplies the He deviation: below 1 for the last layer of a residual branch. */
  readonly gain?: number;
}

/** Collects the nodes of a chain-shaped network; its weights are made when they are needed. */
export class NetworkBuilder {
  private readonly random: RandomWeights;
  private readonly nodes: NetworkNode[] = [];
  private readonly granularity: readonly number[] | undefined;
  private readonly size: number;
  private value = 'input';
  private blocks = 0;

  /** @throws FoveaError `bad-argument` for a seed, class count, input size or granularity out of range */
  constructor(
    private readonly name: string,
    { seed = 1, inputSize = 224, maskers }: BuiltOptions,
    stages: number,
  ) {
    requireInteger('seed', seed, Number.MIN_SAFE_INTEGER);
    requireInteger('inputSize', inputSize, 1);
    if (maskers) {
      if (maskers.granularity.length !== stages) {
        throw new FoveaError(
          'bad-argument',
          `${name} has ${stages} stages: granularity needs as many values, got ${maskers.granularity.length}`,
        );
      }
      for (const S of maskers.granularity) requireInteger('granularity', S, 1);
    }
    this.random = new RandomWeights(seed);
    this.granularity = maskers?.granularity;
    this.size = inputSize;
  }

  /** A convolution with He-normal weights, so that activations keep their magnitude from layer to layer. */
  convolution(
    name: string,
    inChannels: number,
    outChannels: number,
    options: LayerOptions = {},
  ): PlainConvolution {
    const { kernel = 1, stride = 1, groups = 1, activation = 'none', gain = 1 } = options;
    const fanIn = (inChannels / groups) * kernel * kernel;
    const gainOfActivation = activation === 'none' ? 1 : 2;
    const pad = options.padding ?? (kernel - 1) >> 1;
    const weight = this.random.normalLater(outChannels * fanIn, gain * Math.sqrt(gainOfActivation / fanIn));
    const bias = this.random.normalLater(outChannels, 0.05 * gain);
    return {
      name,
      inChannels,
      outChannels,
      kernel: [kernel, kernel],
      stride: [stride, stride],
      padding: [pad, pad, pad, pad],
      dilation: [1, 1],
      groups,
      // Made when something reads them: predictions and plans do not.
      get weight() {
        return weight();
      },
      get bias() {
        return bias();
      },
      activation,
    };
  }

  /** The same with its channels normalised at each pixel. */
  normalised(name: string, inChannels: number, outChannels: number, options: LayerOptions = {}): Convolution {
    const layer: Convolution = this.convolution(name, inChannels, outChannels, options);
    return Object.assign(layer, { normalisation: this.layerNormalisation(outChannels) });
  }

  /** Appends a normalisation of what is before, behind a depthwise convolution that leaves values as they are. */
  normalisation(name: string, channels: number): void {
    this.dense({
      ...this.convolution(name, channels, channels, { groups: channels }),
      weight: new Float32Array(channels).fill(1),
      bias: new Float32Array(channels),
      normalisation: this.layerNormalisation(channels),
    });
  }

  private layerNormalisation(channels: number): LayerNormalisation {
    const scale = this.random.normal(channels, 0.1).map((value) => 1 + value);
    return { scale, shift: this.random.normal(channels, 0.1), epsilon: 1e-6 };
  }

  /** Appends a dense convolution. */
  dense(convolution: Convolution): void {
    this.append((inputs, output) => ({
      kind: 'convolution',
      name: convolution.name,
      inputs,
      output,
      convolution,
    }));
  }

  /** Appends the 3x3 max pool of stride 2 that follows a ResNet stem. */
  maxPool(name: string): void {
    this.append((inputs, output) => ({
      kind: 'max-pool',
      name,
      inputs,
      output,
      kernel: [3, 3],
      stride: [2, 2],
      padding: [1, 1, 1, 1],
      ceilMode: false,
      countIncludePad: false,
    }));
  }

  /** Appends the global pool and the classifier, with a normalisation between them where it has a name. */
  head(
    poolName: string,
    classifierName: string,
    channels: number,
    classes = 1000,
    normalisation?: string,
  ): void {
    requireInteger('classes', classes, 1);
    this.append((inputs, output) => ({ kind: 'global-pool', name: poolName, inputs, output }));
    if (normalisation !== undefined) this.normalisation(normalisation, channels);
    this.dense(this.convolution(classifierName, channels, classes));
  }

  /** Appends a block, with a masker where they were asked for. */
  block(block: Omit<Block, 'index' | 'masker' | 'granularity'>): void {
    const S = this.granularity?.[block.stage];
    const inChannels = block.branch[0]!.inChannels;
    const masker: LearnedMasker | undefined =
      S !== undefined && block.adaptive
        ? { weight: this.random.normal(inChannels, Math.sqrt(1 / inChannels)), bias: 0 }
        : undefined;
    const full: Block = {
      ...block,
      index: this.blocks++,
      ...(masker && S !== undefined ? { masker, granularity: S } : {}),
    };
    this.append((inputs, output) => ({ kind: 'block', name: block.name, inputs, output, block: full }));
  }

  /** The network built so far. */
  finish(): Network {
    return {
      name: this.name,
      format: 'built',
      inputShape: { channels: 3, height: this.size, width: this.size },
      nodes: this.nodes,
      input: 'input',
      output: this.value,
      notes: ['weights are random: made for measuring and testing, not for classifying'],
    };
  }

  private append(make: (inputs: readonly string[], output: string) => NetworkNode): void {
    const node = make([this.value], `value${this.nodes.length}`);
    this.nodes.push(node);
    this.value = node.output;
  }
}

/** @throws FoveaError `bad-argument` when `value` is not an integer of at least `minimum` */
export function requireInteger(name: string, value: number, minimum: number): void {
  if (!Number.isSafeInteger(value) || value < minimum) {
    throw new FoveaError('bad-argument', `${name} ${value}: must be an integer of at least ${minimum}`);
  }
}
