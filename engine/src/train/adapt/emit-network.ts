import { FoveaError } from '../../errors.js';
import { maskGrid } from '../../mask/geometry.js';
import { decisionFlops } from '../../mask/rule.js';
import { convolutionFlops, denseBlockFlops } from '../../network/flops.js';
import {
  type Activation,
  type Block,
  hasShortcut,
  type NetworkNode,
  type ProjectionPool,
} from '../../network/network.js';
import { attendedMaps } from '../../network/pixel-attention.js';
import { pooledForProjection, windowOf } from '../../network/projection-pool.js';
import { type BlockShape, inputOf, paddingOn } from '../../network/shapes.js';
import type { NetworkShapes } from '../../network/walk.js';
import { pointwise } from '../emitter.js';
import type { StepSettings } from '../step-settings.js';
import { emitAttention } from './emit-attention.js';
import type { LearnedValues } from './learned-values.js';
import type { MaskValue, Tape, Value } from './tape.js';
import { attendPixels } from './tape-attention.js';
import { concat, normaliseMap, resize, slice } from './tape-joins.js';

/** A masked block as a step leaves it. */
export interface BlockReport {
  readonly block: Block;
  readonly rows: number;
  readonly columns: number;
  /** Pooled input, `N · rows · columns · C` values. */
  readonly pooled: Float32Array;
  readonly mask: MaskValue;
  /** `[share of the branch's variable work, 0]`. */
  readonly work: Float32Array;
  /** `[active share of the cells]`. */
  readonly active: Float32Array;
  /** FLOPs of one image: what always runs, what follows the mask, and what deciding costs. */
  readonly fixedFlops: number;
  readonly variableFlops: number;
  readonly decisionFlops: number;
}

export interface EmitOptions {
  readonly shapes: NetworkShapes;
  readonly learned: LearnedValues;
  readonly settings: Pick<StepSettings, 'gumbel' | 'random'>;
  /** S per block. */
  readonly granularity: readonly number[];
  /** Whether masks are drawn with Gumbel noise. */
  readonly training: boolean;
  /** Whether blocks with maskers have masks. */
  readonly masked: boolean;
  /** Values that are read after the nodes. */
  readonly kept?: ReadonlySet<string>;
  /** Filled with every masked block, and its work in `rates`. */
  readonly masks?: { readonly blocks: BlockReport[]; readonly rates: Float32Array };
}

/** Writes the forward pass of nodes down, whose inputs are known; `values` gets what they write. */
export function emitNodes(
  tape: Tape,
  nodes: readonly NetworkNode[],
  values: Map<string, Value>,
  how: EmitOptions,
): void {
  const readers = new Map<string, number>();
  for (const name of nodes.flatMap(({ inputs }) => inputs)) readers.set(name, (readers.get(name) ?? 0) + 1);
  for (const node of nodes) {
    values.set(node.output, emitNode(tape, node, values, how));
    for (const name of node.inputs) {
      const left = readers.get(name)! - 1;
      readers.set(name, left);
      const value = values.get(name)!;
      if (left === 0 && !how.kept?.has(name) && value.array !== values.get(node.output)!.array)
        tape.discard(value);
    }
  }
}

function emitNode(tape: Tape, node: NetworkNode, values: Map<string, Value>, how: EmitOptions): Value {
  const input = values.get(node.inputs[0]!)!;
  const norm = how.masked ? how.learned : undefined;
  switch (node.kind) {
    case 'convolution':
      return tape.convolution(input, node.convolution, norm?.norm(node.convolution));
    case 'max-pool':
    case 'average-pool': {
      const [, height, width] = how.shapes.values.get(node.output)!;
      return tape.pool(input, node, height, width);
    }
    case 'global-pool':
      return tape.cells(input, 1, 1);
    case 'add': {
      const sum = tape.add(input, values.get(node.inputs[1]!)!);
      return activated(tape, sum, node.activation);
    }
    case 'multiply':
      return tape.multiply(input, values.get(node.inputs[1]!)!);
    case 'activation':
      return tape.activation(input, node.activation);
    case 'concat':
      return concat(
        tape,
        node.inputs.map((name) => values.get(name)!),
      );
    case 'slice':
      return slice(tape, input, node.first, node.channels);
    case 'resize':
      return resize(tape, input, node);
    case 'normalise-map':
      return normaliseMap(tape, input, node);
    case 'block':
      return emitBlock(tape, node.block, input, how);
    case 'pixel-attention':
      return attendPixels(
        tape,
        node.attention,
        attendedMaps(
          node.attention,
          node.inputs.map((name) => values.get(name)!),
        ),
      );
    case 'foreign':
      throw new FoveaError(
        'unsupported',
        `gradients do not go through "${node.name}" (${node.operators.join(', ')})`,
      );
  }
}

function activated(tape: Tape, value: Value, activation: Activation): Value {
  if (activation === 'none') return value;
  const output = tape.activation(value, activation);
  tape.discard(value);
  return output;
}

function emitBlock(tape: Tape, block: Block, input: Value, how: EmitOptions): Value {
  const { branch, projection, projectionPool, attention, activation } = block;
  const mask = how.masked ? emitMask(tape, block, input, how) : undefined;
  const norm = (convolution: Block['branch'][number]) =>
    how.masked ? how.learned.norm(convolution) : undefined;
  const replace = (before: Value, after: Value) => {
    if (before !== input) tape.discard(before);
    return after;
  };
  let value = input;
  branch.forEach((convolution, i) => {
    value = replace(value, tape.convolution(value, convolution, norm(convolution)));
    if (attention?.after !== i) return;
    value = replace(value, emitAttention(tape, attention, value));
  });
  if (!hasShortcut(block)) return activated(tape, value, activation);
  const read = projectionPool ? emitPool(tape, projectionPool, input) : input;
  const shortcut = projection ? tape.convolution(read, projection, norm(projection)) : read;
  if (read !== input && read !== shortcut) tape.discard(read);
  const sum = tape.add(value, shortcut, mask);
  tape.discard(value);
  if (projection) tape.discard(shortcut);
  return activated(tape, sum, activation);
}

function emitPool(tape: Tape, pool: ProjectionPool, input: Value): Value {
  const [, H, W] = input.shape;
  const { height, width } = pooledForProjection(pool, H, W);
  const node = { kind: 'average-pool', name: 'pool', inputs: [], output: '', ...windowOf(pool) } as const;
  return tape.pool(input, node, height, width);
}

/** Writes a block's decision down, and the work that it leaves. */
function emitMask(tape: Tape, block: Block, input: Value, how: EmitOptions): MaskValue | undefined {
  const masker = how.learned.masker(block.index);
  if (!masker) return undefined;
  const shape = how.shapes.blocks[block.index]!;
  const [N, , , C] = input.shape;
  const { rows, columns } = maskGrid(shape.outHeight, shape.outWidth, how.granularity[block.index]!);
  const count = N * rows * columns;
  const pooled = tape.cells(input, rows, columns);
  const features = tape.make(pooled.shape, pooled.learned);
  tape.affine(pooled, features, 'none', masker);
  const [logits, soft] = [new Float32Array(2 * count), new Float32Array(count)];
  const mask: MaskValue = { rows, columns, cells: new Float32Array(count), slope: new Float32Array(count) };
  const { random, gumbel } = how.settings;
  const dims = [N, rows * columns, block.index, how.training ? 1 : 0, 0];
  tape.emit('convolution', pointwise(count, C, 2), features.array, masker.weight, logits);
  tape.emit('bias', [count, 2], logits, masker.bias);
  tape.emit('gumbel', dims, logits, random, gumbel, mask.cells, soft);
  tape.onBackward(() => {
    const slope = tape.take(logits.length);
    tape.emit('gumbel-dx', dims, mask.slope, soft, gumbel, slope);
    tape.emit('convolution-dw', pointwise(count, C, 2), features.array, slope, masker.weightGradient);
    tape.emit('bias-db', [count, 2], slope, masker.biasGradient);
    if (features.learned) {
      const { array } = tape.slopeInto(features);
      tape.emit('convolution-dx', pointwise(count, C, 2), slope, masker.weight, array);
    }
    tape.give(slope);
  });
  if (how.masks) {
    const { blocks, rates } = how.masks;
    const work = rates.subarray(2 * blocks.length, 2 * blocks.length + 2);
    blocks.push({ block, pooled: pooled.array, mask, work, ...workOf(tape, block, shape, mask, N, work) });
  }
  return mask;
}

/** The operation that measures a mask's work, and what it is measured against. */
function workOf(tape: Tape, block: Block, shape: BlockShape, mask: MaskValue, N: number, work: Float32Array) {
  // Attention pools the whole map, so that what comes before it is computed everywhere.
  const from = (block.attention?.after ?? -1) + 1;
  const costs = block.branch
    .slice(from)
    .map((convolution, i) =>
      convolutionFlops(convolution, shape.branch[from + i]!.height * shape.branch[from + i]!.width),
    );
  const variableFlops = costs.reduce((sum, cost) => sum + cost, 0);
  const geometry = block.branch.slice(from).flatMap((convolution, i) => {
    const { height, width } = shape.branch[from + i]!;
    const read = inputOf(shape, from + i);
    const [top, left] = paddingOn(convolution, read.height, read.width);
    return [height, width, ...convolution.kernel, ...convolution.stride, top, left, ...convolution.dilation];
  });
  const active = new Float32Array(1);
  const dims = [N, mask.rows, mask.columns, costs.length, ...geometry];
  tape.emit(
    'work',
    dims,
    mask.cells,
    Float32Array.from(costs, (cost) => cost / variableFlops),
    work,
    active,
  );
  return {
    rows: mask.rows,
    columns: mask.columns,
    active,
    fixedFlops: denseBlockFlops(block, shape, 1) - variableFlops,
    variableFlops,
    decisionFlops: decisionFlops(mask.rows * mask.columns, shape.inChannels),
  };
}
