import { saidAsJson } from '../../arguments/said.js';
import { FoveaError } from '../../errors.js';
import type { PerChannel } from '../../image/normalise.js';

/** Where a safetensors file's own metadata has its configuration, as JSON. */
export const configKey = 'fovea.config';

/** What the JSON file beside a checkpoint says; every field may be left out. */
export interface CheckpointConfig {
  /**
   * `lasnet-resnet`, `regnet` and the like. What the arrays are tells by itself, but for timm's `tf_` EfficientNets, whose
   * padding and batch norms are TensorFlow's.
   */
  readonly arch?: string;
  /** Blocks per stage, checked against the arrays in the file. */
  readonly layers?: readonly number[];
  /** Nominal input side, or `[height, width]`. Default 224. */
  readonly size?: number | readonly [number, number];
  /**
   * What follows a ResNet's plain stem: `imagenet` has stride 2 and a max pool, `cifar` has neither. Default: by its
   * kernel, `cifar` for 3x3.
   */
  readonly stem?: 'imagenet' | 'cifar';
  /** Granularity S per block, or per stage. */
  readonly granularity?: readonly number[];
  /** Class names, one per logit. */
  readonly labels?: readonly string[];
  /** Mean and deviation of each channel of the images, of values from 0 to 1. Default: ImageNet's. */
  readonly mean?: PerChannel;
  readonly std?: PerChannel;
  /** Name shown in tables; the file's name when left out. */
  readonly name?: string;
}

const knownArchitectures =
  /^((las|laud)?(net-)?(wide-)?(res(net|next)|regnet)|(tf_)?(efficientnet|mobilenet_?v2)|convnext)/;

/**
 * Checks a checkpoint's configuration; fields it does not know are ignored, as training code adds its own.
 * @param source where it comes from, for messages
 * @throws FoveaError `bad-file` naming the field
 */
export function parseCheckpointConfig(value: unknown, source: string): CheckpointConfig {
  const fail = (what: string): never => {
    throw new FoveaError('bad-file', `${source}: ${what}`);
  };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail('is not a JSON object');
  const { arch, layers, size, stem, granularity, labels, mean, std, name } = value as Record<string, unknown>;
  if (arch !== undefined && !(typeof arch === 'string' && knownArchitectures.test(arch))) {
    fail(
      `arch ${saidAsJson(arch)}; "lasnet-resnet", "resnet", "regnet", "efficientnet", "tf_efficientnet", "convnext" and the like are accepted`,
    );
  }
  const counts = (field: string, list: unknown): readonly number[] | undefined => {
    if (list === undefined) return undefined;
    if (!Array.isArray(list) || list.length > 4096 || !list.every((n) => Number.isSafeInteger(n) && n >= 1)) {
      fail(`${field} ${saidAsJson(list)}; a list of integers of at least 1 is accepted`);
    }
    return list as number[];
  };
  const sides =
    typeof size === 'number' && !(Number.isSafeInteger(size) && size >= 1)
      ? fail(`size ${size}; an integer of at least 1 is accepted`)
      : counts('size', typeof size === 'number' ? [size] : size);
  if (sides && sides.length !== 1 && sides.length !== 2)
    fail(`size ${saidAsJson(size)}; a side or [height, width]`);
  if (
    labels !== undefined &&
    !(Array.isArray(labels) && labels.every((label) => typeof label === 'string'))
  ) {
    fail(`labels ${saidAsJson(labels)}; a list of strings is accepted`);
  }
  if (name !== undefined && typeof name !== 'string') fail(`name ${saidAsJson(name)}; a string is accepted`);
  if (stem !== undefined && stem !== 'imagenet' && stem !== 'cifar') {
    fail(`stem ${saidAsJson(stem)}; "imagenet" and "cifar" are accepted`);
  }
  const statistics = (field: string, list: unknown, least: number): PerChannel | undefined => {
    if (list === undefined) return undefined;
    if (!Array.isArray(list) || list.length !== 3 || !list.every((n) => Number.isFinite(n) && n > least)) {
      fail(`${field} ${saidAsJson(list)}; three numbers${least === 0 ? ' above 0' : ''} are accepted`);
    }
    return list as unknown as PerChannel;
  };
  const means = statistics('mean', mean, Number.NEGATIVE_INFINITY);
  const deviations = statistics('std', std, 0);
  const blocks = counts('layers', layers);
  const S = counts('granularity', granularity);
  return {
    ...(arch === undefined ? {} : { arch: arch as string }),
    ...(blocks ? { layers: blocks } : {}),
    ...(sides ? { size: [sides[0]!, sides[1] ?? sides[0]!] as const } : {}),
    ...(stem === undefined ? {} : { stem: stem as 'imagenet' | 'cifar' }),
    ...(S ? { granularity: S } : {}),
    ...(labels === undefined ? {} : { labels: labels as string[] }),
    ...(means ? { mean: means } : {}),
    ...(deviations ? { std: deviations } : {}),
    ...(name === undefined ? {} : { name: name as string }),
  };
}
