import { expectArgument, expectOptions, type Kinds } from '../../arguments/expect.js';
import { aCount, aFlag, aNetwork, anObject, aSize, aText, either, oneOf } from '../../arguments/kinds.js';
import { FoveaError } from '../../errors.js';
import { convolutionsOf } from '../convolutions.js';
import type { Network, NetworkNode } from '../network.js';
import { withPaddings } from '../padded.js';
import { networkShapes } from '../walk.js';
import { type Domain, GraphBuilder } from './builder.js';
import { foreignDims, foreignDomains, foreignOpset } from './foreign-shape.js';
import { maskerProperty } from './masker-metadata.js';
import { NetworkWriter, needsAmounts } from './network-writer.js';
import type { OnnxFiles, StorageOptions } from './storage.js';
import type { Extent } from './value-info.js';

export type { OnnxFiles } from './storage.js';

/** How `toOnnx` writes a model. */
export interface OnnxOptions extends Omit<StorageOptions, 'externalLocation'> {
  /** Images a run, or `dynamic`. Default `dynamic`. */
  readonly batch?: number | 'dynamic';
  /** Input height and width, or `dynamic`. Default: the network's nominal ones. */
  readonly size?: { readonly height: number; readonly width: number } | 'dynamic';
  /**
   * Writes `Conv` + `BatchNormalization` in place of folded convolutions; the split is random, its product the
   * folded weights. Default: folded.
   */
  readonly batchNorm?: { readonly seed: number };
  /** `GlobalAveragePool` + `Flatten`, or `ReduceMean` + `Reshape` as PyTorch's newer exporter. Default the former. */
  readonly head?: 'flatten' | 'reshape';
  /**
   * Writes the network's maskers into the model's metadata, where `loadNetwork` finds them; other tools run the model
   * densely. Default false.
   */
  readonly maskers?: boolean;
}

/**
 * Writes a network as a dense ONNX model, in the style of PyTorch's exporter: NCHW, module paths as names.
 * Maskers are no part of the graph; they go into its metadata when asked for.
 * @returns the model's bytes
 * @throws FoveaError `bad-argument` for a batch or size that is no positive integer, `unsupported` where an operator is
 *   missing from the operator set of those that the network keeps from its file, or onnxruntime has no form for a padding
 *
 * @example
 * ```ts
 * import { builtNetwork } from '@fovea/engine';
 * import { importOnnx, toOnnx } from '@fovea/engine/onnx';
 *
 * const bytes = toOnnx(builtNetwork('resnet18'), { maskers: true });
 * console.log((await importOnnx(bytes, 'resnet18')).nodes.length);
 * ```
 */
export function toOnnx(network: Network, options: OnnxOptions = {}): Uint8Array<ArrayBuffer> {
  return write(expectArgument(network, aNetwork, 'toOnnx: network'), options).model;
}

/**
 * The same with the weights kept outside the model.
 * @param location name of the file that will hold them, in the model's folder
 */
export function toOnnxWithExternalData(
  network: Network,
  location: string,
  options: OnnxOptions = {},
): OnnxFiles {
  expectArgument(network, aNetwork, 'toOnnxWithExternalData: network');
  expectArgument(location, aText, 'toOnnxWithExternalData: location');
  return write(network, {
    ...expectOptions(options, onnxOptionKinds, 'toOnnxWithExternalData'),
    externalLocation: location,
  });
}

const onnxOptionKinds: Kinds<OnnxOptions & StorageOptions> = {
  batch: either(aCount, oneOf(['dynamic'])),
  batchNorm: anObject,
  head: oneOf(['flatten', 'reshape']),
  maskers: aFlag,
  size: either(aSize, oneOf(['dynamic'])),
  data: oneOf(['raw', 'typed']),
  constants: oneOf(['initializer', 'node']),
  listedAsInputs: aFlag,
  precision: oneOf(['float32', 'float16']),
  externalLocation: aText,
};

function write(given: Network, options: OnnxOptions & StorageOptions): OnnxFiles {
  expectOptions(options, onnxOptionKinds, 'toOnnx');
  const { batch = 'dynamic', size = given.inputShape, batchNorm, head = 'flatten', maskers } = options;
  const network = withAmounts(given, size);
  const graph = new GraphBuilder(options, opsetOf(network), domainsOf(network));
  const rankOf = foreignRanks(given);
  const extent = (name: string, value: number | 'dynamic'): Extent => {
    if (value === 'dynamic') return name;
    if (Number.isSafeInteger(value) && value >= 1) return value;
    throw new FoveaError(
      'bad-argument',
      `${name} ${value}: an integer of at least 1 or "dynamic" is accepted`,
    );
  };
  const sides = size === 'dynamic' ? { height: size, width: size } : size;
  graph.input(network.input, [
    extent('batch', batch),
    network.inputShape.channels,
    extent('height', sides.height),
    extent('width', sides.width),
  ]);
  const shapes =
    size !== 'dynamic' && network.nodes.some(needsSize)
      ? networkShapes(network, { batch: 1, ...size }).values
      : undefined;
  const writer = new NetworkWriter(graph, {
    ...{ head, rankOf },
    ...(batchNorm ? { batchNorm } : {}),
    ...(shapes ? { shapes } : {}),
  });
  writer.define(network.input, network.input, 4);
  for (const node of network.nodes) writer.node(node);
  const property = maskers ? maskerProperty(network) : undefined;
  return graph.finish(network.name, [{ name: writer.nameOf(network.output) }], property ? [property] : []);
}

/**
 * The network with amounts for padding that onnxruntime takes no rule for.
 * @throws FoveaError `unsupported` where the amounts depend on a size that is not known
 */
function withAmounts(network: Network, size: Exclude<OnnxOptions['size'], undefined>): Network {
  const convolution = convolutionsOf(network).find(needsAmounts);
  if (!convolution) return network;
  if (size !== 'dynamic') return withPaddings(network, size, needsAmounts).padded;
  const { name, stride, dilation } = convolution;
  throw new FoveaError(
    'unsupported',
    `"${name}" is padded by its input's size beside a dilation of ${dilation.join('x')} and a stride of ${stride.join('x')}, ` +
      'which onnxruntime takes in amounts only: a size of numbers is accepted, "dynamic" is not',
  );
}

/** Whether what is written of a node depends on the image's size: what tells the edges of shifted windows apart. */
function needsSize(node: NetworkNode): boolean {
  return node.kind === 'pixel-attention' && (node.attention.windows?.apart ?? 0) !== 0;
}

/** The operator set to write: that of the network's foreign pieces, as their operators are copied. */
function opsetOf(network: Network): number | undefined {
  const foreign = network.nodes.find((node) => node.kind === 'foreign');
  return foreign && foreignOpset(foreign);
}

function domainsOf(network: Network): Domain[] {
  const domains = network.nodes.flatMap((node) => (node.kind === 'foreign' ? foreignDomains(node) : []));
  return [...new Map(domains.map((set) => [set.domain, set])).values()];
}

function foreignRanks(network: Network): (value: string) => 2 | 4 | undefined {
  const { height, width } = network.inputShape;
  const { values } = networkShapes(network, { batch: 1, height, width });
  const ranks = new Map<string, 2 | 4>();
  for (const node of network.nodes) {
    if (node.kind !== 'foreign') continue;
    const dims = foreignDims(
      node,
      node.inputs.map((name) => values.get(name)),
    );
    if (dims?.length === 2) ranks.set(node.output, 2);
  }
  return (value) => ranks.get(value);
}
