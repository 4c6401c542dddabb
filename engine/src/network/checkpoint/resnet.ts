import { FoveaError } from '../../errors.js';
import { foldBatchNorm } from '../batch-norm.js';
import type { Activation, Block, Convolution, LearnedMasker, Network, NetworkNode } from '../network.js';
import type { CheckpointConfig } from './config.js';
import { float32Of, type Safetensors } from './safetensors.js';

/** torchvision's and PyTorch's default. */
const batchNormEpsilon = 1e-5;

/**
 * Reads a state dict with torchvision's ResNet names (`layer1.0.conv1.weight`, `layer1.0.bn1.running_mean`, …),
 * plus LASNet's `layerI.J.masker.conv2.*` where blocks have learned maskers. Widths, groups and depths come
 * from the arrays; strides are torchvision's (2 on the first 3x3 of stages 2 to 4).
 *
 * @throws FoveaError `bad-file` naming the array that is missing or has the wrong shape, `unsupported` when
 *   the names are not a ResNet's
 */
export function networkFromStateDict(file: Safetensors, config: CheckpointConfig, name: string): Network {
  const reader = new StateDict(file);
  const depths = stageDepths(file, config);
  const [height, width] = sidesOf(config);
  const nodes: NetworkNode[] = [];
  const notes: string[] = [];

  const stem = reader.convolution('conv1', 'bn1', { stride: 2, activation: 'relu' });
  nodes.push({ kind: 'convolution', name: 'conv1', inputs: ['input'], output: 'conv1', convolution: stem });
  nodes.push({
    kind: 'max-pool',
    name: 'maxpool',
    inputs: ['conv1'],
    output: 'maxpool',
    kernel: [3, 3],
    stride: [2, 2],
    padding: [1, 1, 1, 1],
    ceilMode: false,
    countIncludePad: false,
  });

  const granularity = granularityOf(depths, config, file.source);
  let value = 'maxpool';
  let index = 0;
  depths.forEach((depth, stage) => {
    for (let position = 0; position < depth; position++) {
      const block = reader.block(stage, position, index, granularity?.[index]);
      nodes.push({ kind: 'block', name: block.name, inputs: [value], output: block.name, block });
      value = block.name;
      index++;
    }
  });
  if (!granularity && nodes.some((node) => node.kind === 'block' && node.block.masker)) {
    notes.push('the configuration names no granularity: the maskers run at S = 1 unless one is given');
  }

  nodes.push({ kind: 'global-pool', name: 'avgpool', inputs: [value], output: 'avgpool' });
  const classifier = reader.linear('fc');
  nodes.push({
    kind: 'convolution',
    name: 'fc',
    inputs: ['avgpool'],
    output: 'logits',
    convolution: classifier,
  });
  if (config.labels && config.labels.length !== classifier.outChannels) {
    throw new FoveaError(
      'bad-file',
      `${file.source}: ${config.labels.length} labels for ${classifier.outChannels} logits`,
    );
  }
  checkChain(nodes, file.source);

  return {
    name: config.name ?? name,
    format: 'lasnet',
    inputShape: { channels: stem.inChannels, height, width },
    nodes,
    input: 'input',
    output: 'logits',
    ...(config.labels ? { labels: config.labels } : {}),
    notes,
  };
}

function sidesOf({ size }: CheckpointConfig): readonly [number, number] {
  if (size === undefined) return [224, 224];
  return typeof size === 'number' ? [size, size] : size;
}

/** Blocks per stage, counted from the names in the file. */
function stageDepths(file: Safetensors, config: CheckpointConfig): number[] {
  const seen: Set<number>[] = [];
  for (const key of file.tensors.keys()) {
    const match = /^layer([1-9]\d?)\.(\d{1,3})\.conv1\.weight$/.exec(key);
    if (!match) continue;
    const stage = Number(match[1]) - 1;
    seen[stage] = (seen[stage] ?? new Set()).add(Number(match[2]));
  }
  if (seen.length === 0 || !file.tensors.has('conv1.weight')) {
    throw new FoveaError(
      'unsupported',
      `${file.source}: no ResNet state dict (expected torchvision's names: conv1.weight, layer1.0.conv1.weight, …)`,
    );
  }
  const depths = Array.from(seen, (positions, stage) => {
    for (let position = 0; position < (positions?.size ?? 1); position++) {
      if (!positions?.has(position)) {
        throw new FoveaError('bad-file', `${file.source}: block layer${stage + 1}.${position} is missing`);
      }
    }
    return positions!.size;
  });
  if (config.layers && config.layers.join() !== depths.join()) {
    throw new FoveaError(
      'bad-file',
      `${file.source}: holds [${depths.join(', ')}] blocks per stage, its configuration says [${config.layers.join(', ')}]`,
    );
  }
  return depths;
}

/** S per block, from a list per block or per stage. */
function granularityOf(
  depths: readonly number[],
  { granularity }: CheckpointConfig,
  source: string,
): readonly number[] | undefined {
  if (!granularity) return undefined;
  const blocks = depths.reduce((sum, depth) => sum + depth, 0);
  if (granularity.length === blocks) return granularity;
  if (granularity.length === depths.length) {
    return depths.flatMap((depth, stage) => new Array<number>(depth).fill(granularity[stage]!));
  }
  throw new FoveaError(
    'bad-file',
    `${source}: ${granularity.length} granularities; one per block (${blocks}) or per stage (${depths.length}) are accepted`,
  );
}

/** Each layer must read as many channels as the one before writes. */
function checkChain(nodes: readonly NetworkNode[], source: string): void {
  let channels: number | undefined;
  const expect = (name: string, wanted: number) => {
    if (channels !== undefined && wanted !== channels) {
      throw new FoveaError(
        'bad-file',
        `${source}: ${name} reads ${wanted} channels, ${channels} are written before it`,
      );
    }
  };
  for (const node of nodes) {
    if (node.kind === 'convolution') {
      expect(node.name, node.convolution.inChannels);
      channels = node.convolution.outChannels;
    } else if (node.kind === 'block') {
      const { branch, projection } = node.block;
      const last = branch[branch.length - 1]!;
      for (const convolution of [branch[0]!, ...(projection ? [projection] : [])]) {
        expect(convolution.name, convolution.inChannels);
      }
      const shortcut = projection?.outChannels ?? channels;
      for (const convolution of branch) {
        channels = convolution === branch[0] ? convolution.inChannels : channels;
        expect(convolution.name, convolution.inChannels);
        channels = convolution.outChannels;
      }
      if (shortcut !== last.outChannels) {
        throw new FoveaError(
          'bad-file',
          `${source}: ${last.name} writes ${last.outChannels} channels, the shortcut of ${node.name} ${shortcut}`,
        );
      }
    }
  }
}

/** Layers by their names in the state dict. */
class StateDict {
  constructor(private readonly file: Safetensors) {}

  block(stage: number, position: number, index: number, granularity: number | undefined): Block {
    const name = `layer${stage + 1}.${position}`;
    const stride = stage > 0 && position === 0 ? 2 : 1;
    const bottleneck = this.has(`${name}.conv3.weight`);
    const conv = (i: number, stride: number, activation: Activation) =>
      this.convolution(`${name}.conv${i}`, `${name}.bn${i}`, { stride, activation });
    const branch = bottleneck
      ? [conv(1, 1, 'relu'), conv(2, stride, 'relu'), conv(3, 1, 'none')]
      : [conv(1, stride, 'relu'), conv(2, 1, 'none')];
    const masker = this.masker(name, branch[0]!.inChannels);
    return {
      index,
      stage,
      name,
      kind: bottleneck ? 'bottleneck' : 'basic',
      branch,
      ...(this.has(`${name}.downsample.0.weight`)
        ? {
            projection: this.convolution(`${name}.downsample.0`, `${name}.downsample.1`, {
              stride,
              activation: 'none',
            }),
          }
        : {}),
      activation: 'relu',
      ...(masker ? { masker } : {}),
      ...(masker && granularity !== undefined ? { granularity } : {}),
      adaptive: true,
    };
  }

  /** A convolution with the batch norm after it folded in. */
  convolution(
    name: string,
    norm: string,
    { stride, activation }: { stride: number; activation: Activation },
  ): Convolution {
    const [outChannels, perGroup, height, width] = this.shape(`${name}.weight`, 4) as [
      number,
      number,
      number,
      number,
    ];
    const perChannel = (field: string) => float32Of(this.file, `${norm}.${field}`, [outChannels]);
    const biasName = `${name}.bias`;
    const { weight, bias } = foldBatchNorm(
      float32Of(this.file, `${name}.weight`),
      this.has(biasName) ? float32Of(this.file, biasName, [outChannels]) : undefined,
      {
        scale: perChannel('weight'),
        shift: perChannel('bias'),
        mean: perChannel('running_mean'),
        variance: perChannel('running_var'),
        epsilon: batchNormEpsilon,
      },
    );
    const groups = this.groups(name, perGroup, outChannels);
    const [vertical, horizontal] = [(height - 1) >> 1, (width - 1) >> 1];
    return {
      name,
      inChannels: perGroup * groups,
      outChannels,
      kernel: [height, width],
      stride: [stride, stride],
      padding: [vertical, horizontal, vertical, horizontal],
      dilation: [1, 1],
      groups,
      weight,
      bias,
      activation,
    };
  }

  /** The classifier, as a 1x1 convolution. */
  linear(name: string): Convolution {
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
      weight: float32Of(this.file, `${name}.weight`),
      bias: this.has(`${name}.bias`)
        ? float32Of(this.file, `${name}.bias`, [outChannels])
        : new Float32Array(outChannels),
      activation: 'none',
    };
  }

  /** The two published logits folded to one; already folded maskers are accepted too. */
  private masker(block: string, inChannels: number): LearnedMasker | undefined {
    const name = `${block}.masker.conv2`;
    if (!this.has(`${name}.weight`)) return undefined;
    const shape = this.shape(`${name}.weight`, 4);
    const logits = shape[0]!;
    if (logits > 2 || shape[1] !== inChannels || shape[2] !== 1 || shape[3] !== 1) {
      throw new FoveaError(
        'unsupported',
        `${this.file.source}: ${name}.weight has shape [${shape.join(', ')}]; [2, ${inChannels}, 1, 1] ` +
          `(compute and skip logit) or [1, ${inChannels}, 1, 1] is accepted`,
      );
    }
    const weight = float32Of(this.file, `${name}.weight`);
    const bias = float32Of(this.file, `${name}.bias`, [logits]);
    if (logits === 1) return { weight, bias: bias[0]! };
    return {
      weight: Float32Array.from({ length: inChannels }, (_, c) => weight[c]! - weight[inChannels + c]!),
      bias: bias[0]! - bias[1]!,
    };
  }

  /** Groups are not stored: a second convolution reads what the first writes, every other one is ungrouped. */
  private groups(name: string, perGroup: number, outChannels: number): number {
    if (!/^layer\d+\.\d+\.conv2$/.test(name)) return 1;
    const written = this.shape(`${name.slice(0, -1)}1.weight`, 4)[0]!;
    if (written % perGroup !== 0 || outChannels % (written / perGroup) !== 0) {
      throw new FoveaError(
        'bad-file',
        `${this.file.source}: ${name}.weight reads ${perGroup} channels a group, ${written} are written before it`,
      );
    }
    return written / perGroup;
  }

  private has(name: string): boolean {
    return this.file.tensors.has(name);
  }

  /** The shape of an array that must be there, have that many axes and hold something. */
  private shape(name: string, axes: number): readonly number[] {
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
}
