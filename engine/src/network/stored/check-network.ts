import { FoveaError } from '../../errors.js';
import { isActivation } from '../activation.js';
import { type Attention, type AttentionRole, fitsChannels } from '../attention.js';
import { isEpsilon } from '../epsilon.js';
import { LONGEST_BRANCH } from '../longest-branch.js';
import type { Convolution, Interpolation, Network, NetworkNode } from '../network.js';
import { mapStatistics } from '../normalisation.js';
import { attendedInputs, biasCount, type PixelAttention, pixelAttentionFault } from '../pixel-attention.js';
import { interpolations } from '../sampling.js';

type Fields = Readonly<Record<string, unknown>>;

/** More of anything than a network has; what is beyond would overflow in products of extents. */
const mostExtent = 2 ** 24;

const formats: readonly unknown[] = ['onnx', 'lasnet', 'built'];
const blockKinds: readonly unknown[] = ['basic', 'bottleneck', 'inverted', 'residual'];
/** How many values each kind of node reads; undefined: any number but none. */
const inputs: Readonly<Record<NetworkNode['kind'], number | undefined>> = {
  convolution: 1,
  'max-pool': 1,
  'average-pool': 1,
  'global-pool': 1,
  add: 2,
  multiply: 2,
  activation: 1,
  concat: undefined,
  slice: 1,
  resize: 1,
  'normalise-map': 1,
  'pixel-attention': undefined,
  block: 1,
  foreign: undefined,
};

/**
 * Checks that a value read from a file is a network: every field that the engine relies on has its type, every array
 * the length that its layer needs, and every node reads values written before it.
 * @throws FoveaError `bad-file` naming the field
 */
export function checkNetwork(value: unknown, source: string): Network {
  const check = new Checker(source);
  const network = check.object(value, 'the network');
  check.text(network.name, 'name');
  check.that(formats.includes(network.format), `format ${shown(network.format)}`);
  const shape = check.object(network.inputShape, 'inputShape');
  for (const side of ['channels', 'height', 'width']) check.whole(shape[side], `inputShape.${side}`, 1);
  check.texts(network.notes, 'notes');
  if (network.labels !== undefined) check.texts(network.labels, 'labels');
  check.that(
    [undefined, 2, 4].includes(network.outputRank as number),
    `outputRank ${shown(network.outputRank)}`,
  );
  check.text(network.input, 'input');
  check.text(network.output, 'output');
  const nodes = check.list(network.nodes, 'nodes');
  const written = new Set<unknown>([network.input]);
  let blocks = 0;
  for (const [i, entry] of nodes.entries()) {
    const node = check.object(entry, `nodes[${i}]`);
    const at = `node ${shown(node.name)}`;
    check.text(node.name, `nodes[${i}].name`);
    check.text(node.output, `${at}: output`);
    check.that(
      typeof node.kind === 'string' && Object.hasOwn(inputs, node.kind),
      `${at}: kind ${shown(node.kind)}`,
    );
    const read = check.texts(node.inputs, `${at}: inputs`);
    const wanted = inputs[node.kind as NetworkNode['kind']];
    check.that(
      wanted === undefined ? read.length > 0 : read.length === wanted,
      `${at}: ${read.length} inputs`,
    );
    for (const name of read)
      check.that(written.has(name), `${at} reads ${shown(name)}, which nothing before it writes`);
    check.that(!written.has(node.output), `${at} writes ${shown(node.output)} a second time`);
    written.add(node.output);
    check.node(node, at, blocks);
    if (node.kind === 'block') blocks++;
  }
  check.that(written.has(network.output), `output ${shown(network.output)} is written by no node`);
  return value as Network;
}

class Checker {
  constructor(private readonly source: string) {}

  that(holds: boolean, what: string): void {
    if (!holds) throw new FoveaError('bad-file', `${this.source}: ${what} is no part of a network`);
  }

  object(value: unknown, name: string): Fields {
    const sound = typeof value === 'object' && value !== null && !Array.isArray(value);
    // Written out only when it is refused: what is sound may hold all the weights.
    if (!sound) this.that(false, `${name} ${shown(value)}`);
    return value as Fields;
  }

  text(value: unknown, name: string): void {
    this.that(typeof value === 'string', `${name} ${shown(value)}`);
  }

  list(value: unknown, name: string): readonly unknown[] {
    if (!Array.isArray(value)) this.that(false, `${name} ${shown(value)}`);
    return value as unknown[];
  }

  texts(value: unknown, name: string): readonly unknown[] {
    const list = this.list(value, name);
    for (const entry of list) this.text(entry, name);
    return list;
  }

  whole(value: unknown, name: string, least: number): number {
    const sound = Number.isInteger(value) && (value as number) >= least && (value as number) <= mostExtent;
    this.that(sound, `${name} ${shown(value)}`);
    return value as number;
  }

  wholes(value: unknown, name: string, count: number, least: number): readonly number[] {
    const list = this.list(value, name);
    this.that(list.length === count, `${name} ${shown(value)}`);
    return list.map((entry) => this.whole(entry, name, least));
  }

  activation(value: unknown, at: string): void {
    this.that(isActivation(value), `${at}: activation ${shown(value)}`);
  }

  array(value: unknown, name: string, length: number): void {
    const has = value instanceof Float32Array ? `of ${value.length} values` : shown(value);
    this.that(
      value instanceof Float32Array && value.length === length,
      `${name} ${has}, where ${length} values belong,`,
    );
  }

  node(node: Fields, at: string, blocks: number): void {
    const kind = node.kind as NetworkNode['kind'];
    switch (kind) {
      case 'convolution':
        this.convolution(node.convolution, at);
        return;
      case 'max-pool':
      case 'average-pool':
        this.wholes(node.kernel, `${at}: kernel`, 2, 1);
        this.wholes(node.stride, `${at}: stride`, 2, 1);
        this.padding(node, at);
        for (const flag of ['ceilMode', 'countIncludePad']) {
          this.that(typeof node[flag] === 'boolean', `${at}: ${flag} ${shown(node[flag])}`);
        }
        return;
      case 'add':
        this.activation(node.activation, at);
        if (node.dense !== undefined) this.text(node.dense, `${at}: dense`);
        return;
      case 'activation':
        this.activation(node.activation, at);
        return;
      case 'concat': {
        const { length } = node.inputs as readonly unknown[];
        this.that(length > 1, `${at}: ${length} inputs`);
        return;
      }
      case 'slice':
        this.whole(node.first, `${at}: first`, 0);
        this.whole(node.channels, `${at}: channels`, 1);
        return;
      case 'resize':
        this.wholes(node.factor, `${at}: factor`, 2, 1);
        this.that(
          interpolations.includes(node.interpolation as Interpolation),
          `${at}: interpolation ${shown(node.interpolation)}`,
        );
        return;
      case 'normalise-map':
        this.that((mapStatistics as readonly unknown[]).includes(node.by), `${at}: by ${shown(node.by)}`);
        this.whole(node.groups, `${at}: groups`, 1);
        this.that(isEpsilon(node.epsilon), `${at}: epsilon ${shown(node.epsilon)}`);
        return;
      case 'pixel-attention':
        this.pixelAttention(node, at);
        return;
      case 'block':
        this.block(this.object(node.block, `${at}: block`), at, blocks);
        return;
      case 'foreign':
        this.foreign(node, at);
        return;
      case 'global-pool':
      case 'multiply':
        return;
      default:
        kind satisfies never;
    }
  }

  private pixelAttention(node: Fields, at: string): void {
    const { query, key, value, patch, windows, bias, ...numbers } = this.object(
      node.attention,
      `${at}: attention`,
    );
    for (const [name, read] of Object.entries({ key, value, ...(query === undefined ? {} : { query }) }))
      this.object(read, `${at}: ${name}`);
    this.wholes(patch, `${at}: patch`, 2, 1);
    if (windows !== undefined) {
      const { extent, shift, apart } = this.object(windows, `${at}: windows`);
      this.wholes(extent, `${at}: windows.extent`, 2, 1);
      this.wholes(shift, `${at}: windows.shift`, 2, 0);
      this.that(typeof apart === 'number', `${at}: windows.apart ${shown(apart)}`);
    }
    if (bias !== undefined) this.object(bias, `${at}: bias`);
    for (const name of ['scale', 'epsilon'])
      this.that(typeof numbers[name] === 'number', `${at}: ${name} ${shown(numbers[name])}`);
    const attention = node.attention as PixelAttention;
    const fault = pixelAttentionFault(attention);
    this.that(fault === undefined, `${at}: ${fault}`);
    if (attention.bias)
      this.array(attention.bias.values, `${at}: bias`, biasCount(attention, attention.bias));
    const { length } = node.inputs as readonly unknown[];
    this.that(length === attendedInputs(attention), `${at}: ${length} inputs`);
  }

  private padding({ padding, samePadding: odd }: Fields, at: string): void {
    this.wholes(padding, `${at}: padding`, 4, 0);
    this.that(odd === undefined || odd === 'upper' || odd === 'lower', `${at}: samePadding ${shown(odd)}`);
  }

  private convolution(value: unknown, at: string): Convolution {
    const convolution = this.object(value, `${at}: convolution`);
    this.text(convolution.name, `${at}: name`);
    const inChannels = this.whole(convolution.inChannels, `${at}: inChannels`, 1);
    const outChannels = this.whole(convolution.outChannels, `${at}: outChannels`, 1);
    const groups = this.whole(convolution.groups, `${at}: groups`, 1);
    this.that(inChannels % groups === 0 && outChannels % groups === 0, `${at}: groups ${groups}`);
    const [height, width] = this.wholes(convolution.kernel, `${at}: kernel`, 2, 1);
    this.wholes(convolution.stride, `${at}: stride`, 2, 1);
    this.wholes(convolution.dilation, `${at}: dilation`, 2, 1);
    this.padding(convolution, at);
    this.array(convolution.weight, `${at}: weight`, (outChannels * inChannels * height! * width!) / groups);
    this.array(convolution.bias, `${at}: bias`, outChannels);
    if (convolution.activation === 'prelu') this.array(convolution.slopes, `${at}: slopes`, outChannels);
    else this.activation(convolution.activation, at);
    if (convolution.normalisation !== undefined)
      this.normalisation(convolution.normalisation, outChannels, at);
    if (convolution.maximum !== undefined) this.maximum(value as Convolution, at);
    return value as Convolution;
  }

  private maximum(convolution: Convolution, at: string): void {
    const { maximum, inChannels, outChannels, groups, kernel, dilation, padding } = convolution;
    const { activation, normalisation } = convolution;
    const plain =
      activation === 'none' && normalisation === undefined && dilation.every((step) => step === 1);
    const depthwise = inChannels === groups && outChannels === groups;
    // A window in the padding alone has no largest value.
    const inside = padding.every((amount, side) => amount < kernel[side % 2]!);
    this.that(maximum === true && plain && depthwise && inside, `${at}: maximum ${shown(maximum)}`);
  }

  private normalisation(value: unknown, channels: number, at: string): void {
    const normalisation = this.object(value, `${at}: normalisation`);
    this.array(normalisation.scale, `${at}: normalisation.scale`, channels);
    this.array(normalisation.shift, `${at}: normalisation.shift`, channels);
    this.that(
      isEpsilon(normalisation.epsilon),
      `${at}: normalisation.epsilon ${shown(normalisation.epsilon)}`,
    );
    const { centred = true } = normalisation;
    this.that(typeof centred === 'boolean', `${at}: normalisation.centred ${shown(centred)}`);
  }

  private block(block: Fields, at: string, position: number): void {
    this.that(block.index === position, `${at}: index ${shown(block.index)}`);
    this.whole(block.stage, `${at}: stage`, 0);
    this.text(block.name, `${at}: block's name`);
    this.that(blockKinds.includes(block.kind), `${at}: kind ${shown(block.kind)}`);
    this.that(typeof block.adaptive === 'boolean', `${at}: adaptive ${shown(block.adaptive)}`);
    this.activation(block.activation, at);
    const branch = this.list(block.branch, `${at}: branch`).map((entry) => this.convolution(entry, at));
    this.that(
      branch.length >= 1 && branch.length <= LONGEST_BRANCH,
      `${at}: a branch of ${branch.length} convolutions, where 1 to ${LONGEST_BRANCH} belong,`,
    );
    for (const [i, { inChannels }] of branch.entries()) {
      const given = branch[i - 1]?.outChannels ?? inChannels;
      this.that(
        inChannels === given,
        `${at}: a convolution of ${inChannels} channels behind one of ${given}`,
      );
    }
    const { inChannels } = branch[0]!;
    const { outChannels } = branch[branch.length - 1]!;
    if (block.projection !== undefined) {
      const projection = this.convolution(block.projection, `${at}: projection`);
      const fits = projection.inChannels === inChannels && projection.outChannels === outChannels;
      this.that(
        fits,
        `${at}: a projection of ${projection.inChannels} to ${projection.outChannels} channels`,
      );
      if (block.projectionPool !== undefined) this.projectionPool(block.projectionPool, projection, at);
    } else if (block.adaptive) {
      this.that(block.projectionPool === undefined, `${at}: a pool before no projection`);
      this.that(
        inChannels === outChannels,
        `${at}: a shortcut from ${inChannels} to ${outChannels} channels`,
      );
    }
    if (block.attention !== undefined) this.attention(block.attention, branch, at);
    if (block.granularity !== undefined) {
      const whole = block.granularity === Number.POSITIVE_INFINITY;
      if (!whole) this.whole(block.granularity, `${at}: granularity`, 1);
    }
    if (block.masker === undefined) return;
    const masker = this.object(block.masker, `${at}: masker`);
    this.array(masker.weight, `${at}: masker's weight`, inChannels);
    this.that(typeof masker.bias === 'number', `${at}: masker's bias ${shown(masker.bias)}`);
  }

  private projectionPool(value: unknown, { kernel, stride }: Convolution, at: string): void {
    const pool = this.object(value, `${at}: projectionPool`);
    this.wholes(pool.size, `${at}: projectionPool.size`, 2, 1);
    this.that(typeof pool.ceilMode === 'boolean', `${at}: projectionPool.ceilMode ${shown(pool.ceilMode)}`);
    const pointwise = [...kernel, ...stride].every((extent) => extent === 1);
    this.that(pointwise, `${at}: a pool before a projection of ${kernel.join('x')}`);
  }

  private attention(value: unknown, branch: readonly { readonly outChannels: number }[], at: string): void {
    const attention = this.object(value, `${at}: attention`);
    const after = this.whole(attention.after, `${at}: attention.after`, 0);
    this.that(after < branch.length, `${at}: attention.after ${after}`);
    const pools = this.list(attention.pools, `${at}: attention.pools`);
    const known = pools.every((pool, i) => (pool === 'mean' || pool === 'max') && pools.indexOf(pool) === i);
    const byResponse = pools.join() === 'response';
    this.that(byResponse || (known && pools.length > 0), `${at}: attention.pools ${shown(attention.pools)}`);
    const layer = (role: AttentionRole) => {
      const convolution = this.convolution(attention[role], `${at}: ${role}`);
      this.activation(convolution.activation, at);
      this.that(convolution.normalisation === undefined, `${at}: ${role} with normalisation`);
      return convolution;
    };
    const channels = branch[after]!.outChannels;
    if (byResponse) {
      const { pools: _, ...rest } = attention;
      const response = { ...rest, pools: ['response'], gate: layer('gate') } as unknown as Attention;
      this.that(fitsChannels(response, channels), `${at}: attention by response`);
      return;
    }
    this.that(attention.epsilon === undefined, `${at}: attention.epsilon ${shown(attention.epsilon)}`);
    const reduce = attention.reduce === undefined ? undefined : layer('reduce');
    if (reduce) this.that(reduce.inChannels === channels && isVectorLayer(reduce), `${at}: reduce`);
    const gate = layer('gate');
    const width = reduce?.outChannels ?? channels;
    const slides =
      gate.inChannels === 1 && gate.outChannels === 1 && width === channels && slidesEvenly(gate);
    const fits = gate.inChannels === width && gate.outChannels === channels && isVectorLayer(gate);
    this.that(slides || fits, `${at}: a gate of ${gate.inChannels} to ${gate.outChannels} channels`);
    if (attention.spatial === undefined) return;
    const spatial = layer('spatial');
    const keepsSize = spatial.inChannels === 2 && spatial.outChannels === 1 && slidesEvenly(spatial);
    this.that(
      keepsSize,
      `${at}: a spatial convolution of ${spatial.inChannels} to ${spatial.outChannels} channels`,
    );
  }

  private foreign(node: Fields, at: string): void {
    this.texts(node.operators, `${at}: operators`);
    this.that(node.model instanceof Uint8Array, `${at}: model ${shown(node.model)}`);
  }
}

/** What a convolution reads of a vector, in the forms that attention has. */
const isVectorLayer = ({ kernel, padding, groups }: Convolution) =>
  groups === 1 && kernel.every((size) => size === 1) && padding.every((pad) => pad === 0);

/** A window of an odd size, in the middle of its padding. */
const slidesEvenly = ({ kernel, stride, padding, dilation, groups, samePadding }: Convolution) =>
  groups === 1 &&
  samePadding === undefined &&
  kernel.every((size, axis) => size % 2 === 1 && padding[axis] === ((size - 1) / 2) * dilation[axis]!) &&
  padding[2] === padding[0] &&
  padding[3] === padding[1] &&
  stride.every((step) => step === 1);

/** Weights as their number: written out they are a hundred times as long as in memory. */
function withoutWeights(_key: string, value: unknown): unknown {
  return value instanceof Float32Array ? `${value.length} values` : value;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value, withoutWeights) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
