import { FoveaError } from '../../errors.js';
import type { Block, Network, NetworkNode } from '../network.js';
import type { Architecture } from './architecture.js';
import { Chain, checkChain } from './chain.js';
import type { CheckpointConfig } from './config.js';
import { convNexts } from './convnext.js';
import { efficientNets } from './efficientnet.js';
import { Layers } from './layers.js';
import { regnets } from './regnet.js';
import { resnet } from './resnet.js';
import type { Safetensors, StoredTensor } from './safetensors.js';

const architectures: readonly Architecture[] = [resnet, ...regnets, ...efficientNets, ...convNexts];

/**
 * The network whose arrays a state dict holds: a ResNet, RegNet, EfficientNet or ConvNeXt by torchvision's or timm's names, under any prefix
 * (`module.`, `backbone.`), with LASNet's or LAUDNet's maskers where blocks have them. Without a classifier it gives
 * pooled features.
 *
 * @throws FoveaError `bad-file` naming the array that is missing or has the wrong shape, `unsupported` when the names
 *   are another network's, or an array is there that the network would need and does not read
 */
export function networkFromStateDict(
  whole: Safetensors,
  said: CheckpointConfig,
  name: string,
  remarks: readonly string[] = [],
): Network {
  const { architecture, file, notes: under } = recognised(whole);
  const notes = [...remarks, ...under];
  const layers = new Layers(file);
  const chain = new Chain();
  const config = { ...architecture.defaults?.(layers, said), ...said };
  architecture.read(layers, chain, config, notes);
  const depths = depthsOf(chain.blocks);
  if (config.layers && config.layers.join() !== depths.join()) {
    throw new FoveaError(
      'bad-file',
      `${file.source}: holds [${depths.join(', ')}] blocks per stage, its configuration says [${config.layers.join(', ')}]`,
    );
  }
  chain.globalPool('avgpool');
  architecture.beforeHead?.(layers, chain);
  const classes = head(layers, chain, architecture, notes);
  if (config.labels && config.labels.length !== classes) {
    throw new FoveaError(
      'bad-file',
      `${file.source}: ${config.labels.length} labels for ${classes ?? 'no'} logits`,
    );
  }
  checkUnread(layers, architecture, notes);
  checkChain(chain.nodes, file.source);
  const granularity = granularityOf(depths, config, file.source);
  if (!granularity && chain.blocks.some(({ masker }) => masker)) {
    notes.push('the configuration names no granularity: the maskers run at S = 1 unless one is given');
  }
  const [height, width] = sidesOf(config);
  const [stem] = chain.nodes;
  return {
    name: config.name ?? name,
    format: 'lasnet',
    inputShape: { channels: stem?.kind === 'convolution' ? stem.convolution.inChannels : 3, height, width },
    ...preprocessingOf(config),
    nodes: chain.nodes.map((node) => withGranularity(node, granularity)),
    input: 'input',
    output: chain.output,
    ...(config.labels ? { labels: config.labels } : {}),
    notes,
  };
}

/** The architecture that the names indicate, and its arrays without the prefix of their names. */
function recognised(whole: Safetensors): {
  architecture: Architecture;
  file: Safetensors;
  notes: readonly string[];
} {
  const names = [...whole.tensors.keys()];
  for (const architecture of architectures) {
    const { anchor } = architecture;
    const found = names.find((name) => name === anchor || name.endsWith(`.${anchor}`));
    if (found === undefined) continue;
    const prefix = found.slice(0, found.length - anchor.length);
    const file = prefix === '' ? whole : under(whole, prefix, architecture);
    const outside = names.filter((name) => !name.startsWith(prefix) && !file.tensors.has(name));
    const notes =
      outside.length === 0
        ? []
        : [`${outside.length} array(s) outside "${prefix}" are not part of it: ${shortly(outside)}`];
    return { architecture, file, notes };
  }
  throw new FoveaError(
    'unsupported',
    `${whole.source}: no state dict of a ResNet, RegNet, EfficientNet or ConvNeXt (expected torchvision's or timm's names, conv1.weight, ` +
      `layer1.0.conv1.weight, …; it holds ${shortly(names)}); export other networks to ONNX`,
  );
}

const shortly = (names: readonly string[]) => names.slice(0, 3).join(', ') + (names.length > 3 ? ', …' : '');

/** The arrays under a prefix, and a classifier beside them, as that of a backbone is. */
function under(
  { source, tensors, metadata }: Safetensors,
  prefix: string,
  { heads }: Architecture,
): Safetensors {
  const inside = new Map<string, StoredTensor>();
  const outer = prefix.slice(0, prefix.lastIndexOf('.', prefix.length - 2) + 1);
  for (const [name, tensor] of tensors) {
    const beside = name.startsWith(outer) ? name.slice(outer.length) : '';
    if (name.startsWith(prefix)) inside.set(name.slice(prefix.length), tensor);
    else if (heads.some((head) => beside === `${head}.weight` || beside === `${head}.bias`)) {
      inside.set(beside, tensor);
    }
  }
  return { source: `${source} ("${prefix}")`, tensors: inside, metadata };
}

/** Adds the classifier, where there is one. @returns its classes */
function head(layers: Layers, chain: Chain, { heads }: Architecture, notes: string[]): number | undefined {
  const name = heads.find((head) => layers.has(`${head}.weight`) || layers.has(`${head}.bias`));
  if (name === undefined) {
    notes.push(`there is no classifier (${heads.join(', ')}): the output is the pooled features`);
    return undefined;
  }
  const classifier = layers.linear(name);
  chain.convolution({ ...classifier, name: 'fc' }, 'logits');
  return classifier.outChannels;
}

/** An array of the trunk that nothing read belongs to a layer that would be left out unnoticed. */
function checkUnread(layers: Layers, { name, isTrunk }: Architecture, notes: string[]): void {
  const unread = layers.unread();
  const needed = unread.find(isTrunk);
  if (needed !== undefined) {
    throw new FoveaError(
      'unsupported',
      `${layers.file.source}: holds ${JSON.stringify(needed)}, which the forms of ${name} that are read do not have; ` +
        'export this network to ONNX',
    );
  }
  if (unread.length > 0) notes.push(`${unread.length} array(s) are not part of it: ${shortly(unread)}`);
}

function depthsOf(blocks: readonly Block[]): number[] {
  const depths: number[] = [];
  for (const { stage } of blocks) depths[stage] = (depths[stage] ?? 0) + 1;
  return depths;
}

function withGranularity(node: NetworkNode, granularity: readonly number[] | undefined): NetworkNode {
  if (node.kind !== 'block' || !node.block.masker || !granularity) return node;
  return { ...node, block: { ...node.block, granularity: granularity[node.block.index]! } };
}

function preprocessingOf({ mean, std }: CheckpointConfig): Pick<Network, 'preprocessing'> {
  if (!mean && !std) return {};
  return { preprocessing: { ...(mean ? { mean } : {}), ...(std ? { deviation: std } : {}) } };
}

function sidesOf({ size }: CheckpointConfig): readonly [number, number] {
  if (size === undefined) return [224, 224];
  return typeof size === 'number' ? [size, size] : size;
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
