import { FoveaError } from '../../errors.js';
import type { Network } from '../network.js';
import { type BuiltOptions, NetworkBuilder, requireInteger } from './layers.js';

/** Blocks a stage, and the block's kind, by depth (He et al. 2016, table 1). */
const ARCHITECTURES = {
  18: { kind: 'basic', blocks: [2, 2, 2, 2] },
  34: { kind: 'basic', blocks: [3, 4, 6, 3] },
  50: { kind: 'bottleneck', blocks: [3, 4, 6, 3] },
  101: { kind: 'bottleneck', blocks: [3, 4, 23, 3] },
  152: { kind: 'bottleneck', blocks: [3, 8, 36, 3] },
} as const;

export interface ResNetOptions extends BuiltOptions {
  readonly depth: 18 | 34 | 50 | 101 | 152;
  /** Groups of the 3x3 convolution of a bottleneck: 32 in ResNeXt. Default 1. */
  readonly groups?: number;
  /** Bottleneck channels a group in stage 0: 128 in Wide-ResNet-2, 4 in ResNeXt-50 32x4d. Default 64. */
  readonly widthPerGroup?: number;
}

/**
 * A ResNet, Wide-ResNet or ResNeXt with random weights, in torchvision's form: stride on the 3x3
 * convolution, batch norm folded away, layer names as in its checkpoints.
 * @throws FoveaError `unknown-name` for another depth, `bad-argument` for options out of range
 */
export function builtResNet({ depth, groups = 1, widthPerGroup = 64, ...options }: ResNetOptions): Network {
  const architecture = ARCHITECTURES[depth];
  if (!architecture) {
    throw new FoveaError(
      'unknown-name',
      `ResNet depth ${depth}: known are ${Object.keys(ARCHITECTURES).join(', ')}`,
    );
  }
  requireInteger('groups', groups, 1);
  requireInteger('widthPerGroup', widthPerGroup, 1);
  const { kind, blocks } = architecture;
  const bottleneck = kind === 'bottleneck';
  if (!bottleneck && (groups !== 1 || widthPerGroup !== 64)) {
    throw new FoveaError(
      'bad-argument',
      `ResNet-${depth} has basic blocks: groups must be 1, widthPerGroup 64`,
    );
  }
  const build = new NetworkBuilder(nameOf(depth, groups, widthPerGroup), options, blocks.length);
  build.dense(build.convolution('conv1', 3, 64, { kernel: 7, stride: 2, activation: 'relu' }));
  build.maxPool('maxpool');
  let inChannels = 64;
  blocks.forEach((count, stage) => {
    const planes = 64 << stage;
    const width = bottleneck ? Math.floor((planes * widthPerGroup) / 64) * groups : planes;
    const outChannels = bottleneck ? planes * 4 : planes;
    for (let position = 0; position < count; position++) {
      const name = `layer${stage + 1}.${position}`;
      const stride = position === 0 && stage > 0 ? 2 : 1;
      const spatial = { kernel: 3, stride };
      const last = { gain: 0.25 };
      const branch = bottleneck
        ? [
            build.convolution(`${name}.conv1`, inChannels, width, { activation: 'relu' }),
            build.convolution(`${name}.conv2`, width, width, { ...spatial, groups, activation: 'relu' }),
            build.convolution(`${name}.conv3`, width, outChannels, last),
          ]
        : [
            build.convolution(`${name}.conv1`, inChannels, width, { ...spatial, activation: 'relu' }),
            build.convolution(`${name}.conv2`, width, outChannels, { kernel: 3, ...last }),
          ];
      const changes = stride !== 1 || inChannels !== outChannels;
      build.block({
        stage,
        name,
        kind,
        branch,
        ...(changes
          ? { projection: build.convolution(`${name}.downsample.0`, inChannels, outChannels, { stride }) }
          : {}),
        activation: 'relu',
        adaptive: true,
      });
      inChannels = outChannels;
    }
  });
  build.head('avgpool', 'fc', inChannels, options.classes);
  return build.finish();
}

function nameOf(depth: number, groups: number, widthPerGroup: number): string {
  if (groups > 1) return `resnext${depth}_${groups}x${widthPerGroup}d`;
  return widthPerGroup === 64 ? `resnet${depth}` : `wide_resnet${depth}_${widthPerGroup / 64}`;
}
