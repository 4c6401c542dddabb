import { FoveaError } from '../../errors.js';
import { foldBatchNorm } from '../batch-norm.js';
import type { Activation, Attention, Convolution, LearnedMasker, PlainConvolution } from '../network.js';
import { float32Of, type Safetensors } from './safetensors.js';

/** PyTorch's default, which most networks of torchvision and timm keep. */
const batchNormEpsilon = 1e-5;

/** What all published ConvNeXts have. */
const layerNormEpsilon = 1e-6;

export interface LayerForm {
  readonly activation: Activation;
  /** Name of the batch norm behind it, folded in where the file has one. */
  readonly norm?: string;
  readonly stride?: number;
  /** Channels of what it reads, of which the groups follow; where left out, there is one group. */
  readonly inChannels?: number;
  /** True for padding that follows from the map's size, as TensorFlow has it; half the kernel on each side when left out. */
  readonly padsBySize?: boolean;
  /** Of the batch norm; PyTorch's default when left out. */
  readonly epsilon?: number;
}

/** Where squeeze-and-excitation stands, and how a library names and writes it. */
export interface ExcitationForm {
  readonly reduce: string;
  readonly expand: string;
  readonly activation: Activation;
}

const torchvisionExcitation: ExcitationForm = { reduce: 'fc1', expand: 'fc2', activation: 'relu' };

/** Layers of a state dict by their names, and which arrays have been read. */
export class Layers {
  readonly #read = new Set<string>();

  constructor(readonly file: Safetensors) {}

  /** A convolution with the batch norm after it folded in. */
  convolution(
    name: string,
    { activation, norm, stride = 1, inChannels, padsBySize = false, epsilon = batchNormEpsilon }: LayerForm,
  ): PlainConvolution {
    const shape = this.shape(`${name}.weight`, 4) as [number, number, number, number];
    const [outChannels, perGroup, height, width] = shape;
    const groups = this.#groups(name, perGroup, outChannels, inChannels);
    const { weight, bias } = this.#folded(name, norm, outChannels, epsilon);
    const [vertical, horizontal] = [(height - 1) >> 1, (width - 1) >> 1];
    // With stride 1 that is half the kernel too.
    const bySize = padsBySize && stride > 1;
    return {
      name,
      inChannels: perGroup * groups,
      outChannels,
      kernel: [height, width],
      stride: [stride, stride],
      ...(bySize
        ? { padding: [0, 0, 0, 0], samePadding: 'upper' }
        : { padding: [vertical, horizontal, vertical, horizontal] }),
      dilation: [1, 1],
      groups,
      weight,
      bias,
      activation,
    };
  }

  #folded(name: string, norm: string | undefined, outChannels: number, epsilon: number) {
    const weight = this.#array(`${name}.weight`);
    const biased = this.has(`${name}.bias`) ? this.#array(`${name}.bias`, [outChannels]) : undefined;
    // A file whose batch norms are folded already has biases in their place.
    const normed = norm !== undefined && (biased === undefined || this.has(`${norm}.weight`));
    if (!normed) return { weight, bias: biased ?? new Float32Array(outChannels) };
    const perChannel = (field: string) => this.#array(`${norm}.${field}`, [outChannels]);
    return foldBatchNorm(weight, biased, {
      scale: perChannel('weight'),
      shift: perChannel('bias'),
      mean: perChannel('running_mean'),
      variance: perChannel('running_var'),
      epsilon,
    });
  }

  /** The classifier, as a 1x1 convolution. */
  linear(name: string): PlainConvolution {
    const [outChannels, inChannels] = this.shape(`${name}.weight`, 2) as [number, number];
    return {
      name,
      inChannels,
      outChannels,
      kernel: [1, 1],
      stride: [1, 1],
      padding: [0, 0, 0, 0],
      dilation: [1, 1],
      groups: 1,
      weight: this.#array(`${name}.weight`),
      bias: this.has(`${name}.bias`)
        ? this.#array(`${name}.bias`, [outChannels])
        : new Float32Array(outChannels),
      activation: 'none',
    };
  }

  /** A 1x1 convolution that may be stored as a linear layer. */
  pointwise(name: string): PlainConvolution {
    const { shape } = this.file.tensors.get(`${name}.weight`) ?? {};
    return shape?.length === 4 ? this.convolution(name, { activation: 'none' }) : this.linear(name);
  }

  /** A convolution with the layer normalisation of that name behind it. */
  normalised(convolution: Convolution, name: string): Convolution {
    const channels = [convolution.outChannels];
    const [scale, shift] = ['weight', 'bias'].map((field) => this.#array(`${name}.${field}`, channels));
    return { ...convolution, normalisation: { scale: scale!, shift: shift!, epsilon: layerNormEpsilon } };
  }

  /** The same behind no convolution: a depthwise one that leaves values as they are. */
  normalisation(name: string, channels: number): Convolution {
    const same: Convolution = {
      ...{ name, inChannels: channels, outChannels: channels, groups: channels },
      ...{ kernel: [1, 1], stride: [1, 1], dilation: [1, 1], padding: [0, 0, 0, 0], activation: 'none' },
      weight: new Float32Array(channels).fill(1),
      bias: new Float32Array(channels),
    };
    return this.normalised(same, name);
  }

  /** A convolution with its channels scaled, where the file has an array of that name. */
  scaled(convolution: PlainConvolution, name: string): PlainConvolution {
    if (!this.has(name)) return convolution;
    const { outChannels, weight, bias } = convolution;
    const scale = this.#array(name);
    if (scale.length !== outChannels) {
      throw new FoveaError(
        'bad-file',
        `${this.file.source}: ${name} has ${scale.length} values, ${convolution.name} writes ${outChannels} channels`,
      );
    }
    const each = weight.length / outChannels;
    return {
      ...convolution,
      weight: weight.map((value, i) => value * scale[Math.floor(i / each)]!),
      bias: bias.map((value, c) => value * scale[c]!),
    };
  }

  /** Squeeze-and-excitation under a name, by default as torchvision names it; undefined where there is none. */
  excitation(
    name: string,
    after: number,
    { reduce, expand, activation }: ExcitationForm = torchvisionExcitation,
  ): Attention | undefined {
    if (!this.has(`${name}.${reduce}.weight`)) return undefined;
    return {
      after,
      pools: ['mean'],
      reduce: this.convolution(`${name}.${reduce}`, { activation }),
      gate: this.convolution(`${name}.${expand}`, { activation: 'sigmoid' }),
    };
  }

  /** Attention of any kind under a name, as torchvision and timm name it; undefined where there is none. */
  attention(name: string, after: number): Attention | undefined {
    return this.excitation(name, after) ?? this.#slidingAttention(name, after) ?? this.#cbam(name, after);
  }

  /** timm's ECA: a kernel along the channels. */
  #slidingAttention(name: string, after: number): Attention | undefined {
    const weightName = `${name}.conv.weight`;
    if (!this.has(weightName)) return undefined;
    const [out, within, size] = this.shape(weightName, 3) as [number, number, number];
    if (out !== 1 || within !== 1 || size % 2 === 0 || size < 3) {
      throw new FoveaError(
        'unsupported',
        `${this.file.source}: ${weightName} of ${out} x ${within} x ${size}; 1 x 1 x an odd number from 3 on is accepted`,
      );
    }
    const reach = (size - 1) / 2;
    const gate: PlainConvolution = {
      ...{ name: `${name}.conv`, inChannels: 1, outChannels: 1, groups: 1 },
      kernel: [1, size],
      stride: [1, 1],
      padding: [0, reach, 0, reach],
      dilation: [1, 1],
      weight: this.#array(weightName),
      bias: new Float32Array(1),
      activation: 'sigmoid',
    };
    return { after, pools: ['mean'], gate };
  }

  /** timm's CBAM, whose two matrices are shared by both pools: each adds its bias. */
  #cbam(name: string, after: number): Attention | undefined {
    if (!this.has(`${name}.channel.fc1.weight`)) return undefined;
    const gate = this.convolution(`${name}.channel.fc2`, { activation: 'sigmoid' });
    const spatial = `${name}.spatial.conv`;
    return {
      after,
      pools: ['mean', 'max'],
      reduce: this.convolution(`${name}.channel.fc1`, { activation: 'relu' }),
      gate: { ...gate, bias: gate.bias.map((value) => 2 * value) },
      spatial: this.convolution(`${spatial}.conv`, { norm: `${spatial}.bn`, activation: 'sigmoid' }),
    };
  }

  /**
   * The two published logits folded to one; already folded maskers are accepted too. LASNet calls a masker
   * `masker.conv2`, LAUDNet `masker_spatial.conv`, whether it decides on cells or on whole blocks.
   * @param names of the modules that may hold one
   * @throws FoveaError `unsupported` for LAUDNet's maskers of channels
   */
  masker(names: readonly string[], inChannels: number): LearnedMasker | undefined {
    for (const array of this.file.tensors.keys()) {
      if (names.some((name) => array.startsWith(`${name}.masker_channel.`))) {
        throw new FoveaError(
          'unsupported',
          `${this.file.source}: ${array} masks channels; masks of cells and of whole blocks are run`,
        );
      }
    }
    const name = names
      .flatMap((module) => [`${module}.masker.conv2`, `${module}.masker_spatial.conv`])
      .find((module) => this.has(`${module}.weight`));
    if (name === undefined) return undefined;
    const shape = this.shape(`${name}.weight`, 4);
    const logits = shape[0]!;
    if (logits > 2 || shape[1] !== inChannels || shape[2] !== 1 || shape[3] !== 1) {
      throw new FoveaError(
        'unsupported',
        `${this.file.source}: ${name}.weight has shape [${shape.join(', ')}]; [2, ${inChannels}, 1, 1] ` +
          `(compute and skip logit) or [1, ${inChannels}, 1, 1] is accepted`,
      );
    }
    const weight = this.#array(`${name}.weight`);
    const bias = this.#array(`${name}.bias`, [logits]);
    if (logits === 1) return { weight, bias: bias[0]! };
    return {
      weight: Float32Array.from({ length: inChannels }, (_, c) => weight[c]! - weight[inChannels + c]!),
      bias: bias[0]! - bias[1]!,
    };
  }

  has(name: string): boolean {
    return this.file.tensors.has(name);
  }

  /** Arrays that nothing has read; counters of training steps aside. */
  unread(): string[] {
    return [...this.file.tensors.keys()].filter(
      (name) => !this.#read.has(name) && !name.endsWith('.num_batches_tracked'),
    );
  }

  /** The shape of an array that must be there, have that many axes and hold something. */
  shape(name: string, axes: number): readonly number[] {
    const shape = this.file.tensors.get(name)?.shape;
    if (!shape)
      throw new FoveaError('bad-file', `${this.file.source}: there is no array ${JSON.stringify(name)}`);
    if (shape.length !== axes || shape.some((extent) => extent < 1)) {
      throw new FoveaError(
        'bad-file',
        `${this.file.source}: ${JSON.stringify(name)} has shape [${shape.join(', ')}], expected ${axes} extents of at least 1`,
      );
    }
    return shape;
  }

  #array(name: string, shape?: readonly number[]): Float32Array<ArrayBuffer> {
    this.#read.add(name);
    return float32Of(this.file, name, shape);
  }

  /** Groups are not stored: they follow from the channels that are there to read. */
  #groups(name: string, perGroup: number, outChannels: number, inChannels = perGroup): number {
    if (inChannels % perGroup !== 0 || outChannels % (inChannels / perGroup) !== 0) {
      throw new FoveaError(
        'bad-file',
        `${this.file.source}: ${name}.weight reads ${perGroup} channels a group, ${inChannels} are written before it`,
      );
    }
    return inChannels / perGroup;
  }
}
