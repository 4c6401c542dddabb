/**
 * What a network computes, by the published rule and nothing else: every convolution everywhere, the branch
 * multiplied by its mask before the residual add (Han et al., LASNet, NeurIPS 2022). It shares no code with the
 * engine: an error would have to be made twice.
 */
import type { Block, Network, Tensor } from '@fovea/engine';
import type {
  Attention,
  AttentionPool,
  NormaliseMapNode,
  PoolNode,
  ProjectionPool,
  ResizeNode,
} from '@fovea/engine/backend';
import { attendedPlanes } from './attended-planes.js';
import { type Convolve, convolveInLoops, extentAfter } from './convolution.js';
import { activated, makePlanes, type Planes } from './planes.js';

/** A block's input, averaged over each cell of its mask: `values[(cell) · C + c]`, cells image by image. */
export interface Pooled {
  readonly block: Block;
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  readonly C: number;
  readonly values: Float64Array;
}

/** Which cells are active, and for which of them rounding might decide. */
export interface OracleDecision {
  readonly cells: Uint8Array;
  /** 1 where the decision hangs on less than rounding can move; left out, nowhere. */
  readonly unclear?: Uint8Array;
}

export interface OracleMask extends OracleDecision {
  readonly block: number;
  readonly rows: number;
  readonly columns: number;
  /** Of the map that the cells divide. */
  readonly height: number;
  readonly width: number;
}

export interface OracleOptions {
  /** S of each block, by index; Infinity is the whole map. */
  readonly granularity: readonly number[];
  readonly decide: (pooled: Pooled) => OracleDecision;
  /** Blocks that run without a mask. */
  readonly dense?: ReadonlySet<number>;
  /** Whether attention pools the whole map or active pixels. */
  readonly excitation?: 'exact' | 'active';
  readonly convolve?: Convolve;
}

/** Output and masks of a batch of images. */
export async function oracle(
  network: Network,
  images: Tensor,
  options: OracleOptions,
): Promise<{ output: Planes; masks: OracleMask[] }> {
  const { convolve = convolveInLoops } = options;
  const [N, H, W, C] = images.shape;
  const values = new Map<string, Planes>([
    [network.input, makePlanes({ N, C, H, W }, (n, c, y, x) => images.data[((n * H + y) * W + x) * C + c]!)],
  ]);
  const masks: OracleMask[] = [];
  for (const node of network.nodes) {
    const [input, second] = node.inputs.map((name) => values.get(name)!) as [Planes, Planes?];
    switch (node.kind) {
      case 'convolution':
        values.set(node.output, await convolve(input, node.convolution));
        break;
      case 'max-pool':
        values.set(node.output, maxPool(input, node));
        break;
      case 'global-pool':
        values.set(
          node.output,
          makePlanes({ ...input, H: 1, W: 1 }, (n, c) => pooledOver('mean', input, n, c)),
        );
        break;
      case 'add':
        values.set(
          node.output,
          makePlanes(input, (_n, _c, _y, _x, at) =>
            activated(input.data[at]! + second!.data[at]!, node.activation),
          ),
        );
        break;
      case 'multiply': {
        const size = ({ C, H, W }: Planes) => C * H * W;
        const [map, scale] = size(input) > size(second!) ? [input, second!] : [second!, input];
        const place = (n: number, c: number, y: number, x: number) =>
          ((n * scale.C + (c % scale.C)) * scale.H + (y % scale.H)) * scale.W + (x % scale.W);
        values.set(
          node.output,
          makePlanes(map, (n, c, y, x, at) => map.data[at]! * scale.data[place(n, c, y, x)]!),
        );
        break;
      }
      case 'normalise-map':
        values.set(node.output, normalisedPlanes(input, node));
        break;
      case 'pixel-attention':
        values.set(
          node.output,
          attendedPlanes(
            node,
            node.inputs.map((name) => values.get(name)!),
          ),
        );
        break;
      case 'concat':
        values.set(node.output, sideBySide(node.inputs.map((name) => values.get(name)!)));
        break;
      case 'slice':
        values.set(
          node.output,
          makePlanes(
            { ...input, C: node.channels },
            (n, c, y, x) => input.data[((n * input.C + node.first + c) * input.H + y) * input.W + x]!,
          ),
        );
        break;
      case 'resize':
        values.set(node.output, larger(input, node));
        break;
      case 'block': {
        const { output, mask } = await runBlock(node.block, input, convolve, options);
        values.set(node.output, output);
        if (mask) masks.push(mask);
        break;
      }
      default:
        throw new Error(`the oracle has no ${node.kind}`);
    }
  }
  return { output: values.get(network.output)!, masks };
}

/** Each image's planes less the mean of their group and divided by its deviation, or times their norm by that of all. */
function normalisedPlanes(input: Planes, { by, groups, epsilon }: NormaliseMapNode): Planes {
  const { C, H, W } = input;
  const plane = H * W;
  const sum = (n: number, from: number, to: number, of: (value: number) => number) =>
    input.data
      .subarray((n * C + from) * plane, (n * C + to) * plane)
      .reduce((all, value) => all + of(value), 0);
  const norms = Array.from({ length: input.N }, (_, n) =>
    Array.from({ length: C }, (_, c) => Math.sqrt(sum(n, c, c + 1, (value) => value ** 2))),
  );
  const means = norms.map((each) => each.reduce((all, norm) => all + norm, 0) / C);
  const scales = Array.from({ length: input.N * C }, (_, at) => {
    const [n, c] = [Math.floor(at / C), at % C];
    if (by === 'response') return [0, norms[n]![c]! / (means[n]! + epsilon)] as const;
    const size = C / groups;
    const from = c - (c % size);
    if (c > from) return undefined;
    const mean = sum(n, from, from + size, (value) => value) / (size * plane);
    const variance = sum(n, from, from + size, (value) => (value - mean) ** 2) / (size * plane);
    return [mean, 1 / Math.sqrt(variance + epsilon)] as const;
  });
  return makePlanes(input, (n, c, _y, _x, at) => {
    const [away, factor] = scales[n * C + (scales[n * C + c] ? c : c - (c % (C / groups)))]!;
    return (input.data[at]! - away) * factor;
  });
}

/** Channels of maps one behind the other; planes of one image follow upon each other. */
function sideBySide(maps: readonly Planes[]): Planes {
  const channels = maps.flatMap((map) => Array.from({ length: map.C }, (_, channel) => ({ map, channel })));
  return makePlanes({ ...maps[0]!, C: channels.length }, (n, c, y, x) => {
    const { map, channel } = channels[c]!;
    return map.data[((n * map.C + channel) * map.H + y) * map.W + x]!;
  });
}

/** Where ONNX's Resize places an output position in the input, and what it makes of the pixels around. */
function larger({ N, C, H, W, data }: Planes, { factor, interpolation }: ResizeNode): Planes {
  const place = (position: number, extent: number, scale: number) => {
    if (interpolation === 'half-pixel') return (position + 0.5) / scale - 0.5;
    if (interpolation === 'align-corners') return (position * (extent - 1)) / Math.max(1, extent * scale - 1);
    return position / scale;
  };
  return makePlanes({ N, C, H: H * factor[0], W: W * factor[1] }, (n, c, y, x) => {
    const plane = (n * C + c) * H;
    const [row, column] = [place(y, H, factor[0]), place(x, W, factor[1])];
    if (interpolation === 'nearest') return data[(plane + Math.floor(row)) * W + Math.floor(column)]!;
    let sum = 0;
    for (const sy of [Math.floor(row), Math.floor(row) + 1]) {
      for (const sx of [Math.floor(column), Math.floor(column) + 1]) {
        const weight = (1 - Math.abs(row - sy)) * (1 - Math.abs(column - sx));
        const within = (at: number, extent: number) => Math.min(Math.max(at, 0), extent - 1);
        sum += weight * data[(plane + within(sy, H)) * W + within(sx, W)]!;
      }
    }
    return sum;
  });
}

async function runBlock(
  block: Block,
  input: Planes,
  convolve: Convolve,
  { granularity, decide, dense, excitation = 'exact' }: OracleOptions,
): Promise<{ output: Planes; mask?: OracleMask }> {
  // The size of the output says how many cells there are, so the last convolution's geometry comes first.
  const { H, W } = block.branch.reduce(extentAfter, { H: input.H, W: input.W });
  const masked = block.adaptive && !dense?.has(block.index);
  const mask = masked ? maskOf(block, input, H, W, granularity[block.index]!, decide) : undefined;
  const active = (n: number, y: number, x: number) =>
    mask === undefined ||
    mask.cells[
      (n * mask.rows + Math.floor((y * mask.rows) / H)) * mask.columns + Math.floor((x * mask.columns) / W)
    ] === 1;
  let branch = input;
  for (const [i, convolution] of block.branch.entries()) {
    branch = await convolve(branch, convolution);
    const { attention } = block;
    if (attention?.after === i) {
      if (excitation === 'active' && mask && (branch.H !== H || branch.W !== W)) {
        throw new Error('the oracle pools active pixels at the resolution of the output only');
      }
      branch = await excite(
        branch,
        attention,
        convolve,
        excitation === 'exact' ? undefined : readAround(active, attention.spatial, branch),
      );
    }
  }
  const read = block.projectionPool ? meansOf(input, block.projectionPool) : input;
  const shortcut = block.projection ? await convolve(read, block.projection) : read;
  const added = block.projection !== undefined || block.adaptive;
  const output = makePlanes(branch, (n, _c, y, x, at) =>
    activated((active(n, y, x) ? branch.data[at]! : 0) + (added ? shortcut.data[at]! : 0), block.activation),
  );
  return { output, ...(mask ? { mask } : {}) };
}

/** Means of windows side by side; one that hangs over the edge is the mean of what it has. */
function meansOf({ N, C, H, W, data }: Planes, { size, ceilMode }: ProjectionPool): Planes {
  const count = ceilMode ? Math.ceil : Math.floor;
  const output = { N, C, H: count(H / size[0]), W: count(W / size[1]) };
  return makePlanes(output, (n, c, y, x) => {
    let [sum, pixels] = [0, 0];
    for (let row = y * size[0]; row < Math.min(H, (y + 1) * size[0]); row++) {
      for (let column = x * size[1]; column < Math.min(W, (x + 1) * size[1]); column++) {
        sum += data[((n * C + c) * H + row) * W + column]!;
        pixels++;
      }
    }
    return sum / pixels;
  });
}

/** The grid has floor(H / S) by floor(W / S) cells, at least one along each side. */
function maskOf(
  block: Block,
  input: Planes,
  H: number,
  W: number,
  S: number,
  decide: OracleOptions['decide'],
): OracleMask {
  const rows = Math.max(1, Math.floor(H / S));
  const columns = Math.max(1, Math.floor(W / S));
  const decision = decide(poolToGrid(block, input, rows, columns));
  return { block: block.index, rows, columns, height: H, width: W, ...decision };
}

/** Adaptive average pool: cell i of m covers rows floor(i · n / m) to ceil((i + 1) · n / m) of n. */
function poolToGrid(block: Block, { N, C, H, W, data }: Planes, rows: number, columns: number): Pooled {
  const values = new Float64Array(N * rows * columns * C);
  for (let n = 0; n < N; n++) {
    for (let row = 0; row < rows; row++) {
      const [top, bottom] = [Math.floor((row * H) / rows), Math.ceil(((row + 1) * H) / rows)];
      for (let column = 0; column < columns; column++) {
        const [left, right] = [Math.floor((column * W) / columns), Math.ceil(((column + 1) * W) / columns)];
        for (let c = 0; c < C; c++) {
          let sum = 0;
          for (let y = top; y < bottom; y++) {
            for (let x = left; x < right; x++) sum += data[((n * C + c) * H + y) * W + x]!;
          }
          values[((n * rows + row) * columns + column) * C + c] = sum / ((bottom - top) * (right - left));
        }
      }
    }
  }
  return { block, batch: N, rows, columns, C, values };
}

type Among = (n: number, y: number, x: number) => boolean;

/** The pixels that a spatial attention reads around others, which the branch has to be computed at. */
function readAround(active: Among, spatial: Attention['spatial'], { H, W }: Planes): Among {
  if (!spatial) return active;
  const [rise, run] = [(spatial.kernel[0] - 1) / 2, (spatial.kernel[1] - 1) / 2];
  return (n, y, x) => {
    for (let row = Math.max(0, y - rise); row <= Math.min(H - 1, y + rise); row++)
      for (let column = Math.max(0, x - run); column <= Math.min(W - 1, x + run); column++)
        if (active(n, row, column)) return true;
    return false;
  };
}

async function excite(
  map: Planes,
  { pools, epsilon, reduce, gate, spatial }: Attention,
  convolve: Convolve,
  among?: Among,
): Promise<Planes> {
  const vectors: Planes[] = [];
  for (const pool of pools) {
    const pooled = makePlanes({ ...map, H: 1, W: 1 }, (n, c) => pooledOver(pool, map, n, c, among));
    if (pool === 'response') vectors.push(byMean(pooled, epsilon!));
    else vectors.push(reduce ? await convolve(pooled, reduce) : pooled);
  }
  const sum = makePlanes(vectors[0]!, (_n, _c, _y, _x, at) =>
    vectors.reduce((total, { data }) => total + data[at]!, 0),
  );
  // One channel in and out is a kernel along the channels, which then lie along the width.
  const scale =
    gate.inChannels === 1 && map.C > 1
      ? await convolve({ ...sum, C: 1, H: 1, W: map.C }, gate)
      : await convolve(sum, gate);
  const scaled = makePlanes(map, (n, c, _y, _x, at) => map.data[at]! * scale.data[n * map.C + c]!);
  if (!spatial) return scaled;
  const channels = Array.from({ length: map.C }, (_, c) => c);
  const summaries = makePlanes({ ...map, C: 2 }, (n, which, y, x) => {
    const values = channels.map((c) => scaled.data[((n * map.C + c) * map.H + y) * map.W + x]!);
    return which === 0 ? values.reduce((a, b) => a + b, 0) / map.C : values.reduce((a, b) => Math.max(a, b));
  });
  const weights = await convolve(summaries, spatial);
  return makePlanes(
    scaled,
    (n, _c, y, x, at) => scaled.data[at]! * weights.data[(n * map.H + y) * map.W + x]!,
  );
}

/** Each image's values by their mean. */
function byMean(norms: Planes, epsilon: number): Planes {
  const { C, data } = norms;
  return makePlanes(norms, (n, _c, _y, _x, at) => {
    const mean = data.slice(n * C, (n + 1) * C).reduce((a, b) => a + b, 0) / C;
    return data[at]! / (mean + epsilon);
  });
}

/** Mean, maximum or norm of one map over all its pixels, or over those that are `among`; 0 of none. */
function pooledOver(
  pool: AttentionPool,
  { C, H, W, data }: Planes,
  n: number,
  c: number,
  among?: Among,
): number {
  const values: number[] = [];
  for (let y = 0; y < H; y++) {
    for (let x = 0; x < W; x++) {
      if (!among || among(n, y, x)) values.push(data[((n * C + c) * H + y) * W + x]!);
    }
  }
  if (values.length === 0) return 0;
  if (pool === 'response') return Math.hypot(...values);
  return pool === 'max'
    ? values.reduce((a, b) => Math.max(a, b))
    : values.reduce((a, b) => a + b, 0) / values.length;
}

function maxPool(input: Planes, { kernel, stride, padding, ceilMode }: PoolNode): Planes {
  if (ceilMode) throw new Error('the oracle has no pools that round up');
  const { N, C, H, W, data } = input;
  const along = (size: number, axis: 0 | 1) =>
    Math.floor((size + padding[axis] + padding[axis + 2]! - kernel[axis]) / stride[axis]) + 1;
  return makePlanes({ N, C, H: along(H, 0), W: along(W, 1) }, (n, c, y, x) => {
    let most = Number.NEGATIVE_INFINITY;
    for (let ky = 0; ky < kernel[0]; ky++) {
      for (let kx = 0; kx < kernel[1]; kx++) {
        const [row, column] = [y * stride[0] - padding[0] + ky, x * stride[1] - padding[1] + kx];
        if (row < 0 || row >= H || column < 0 || column >= W) continue;
        most = Math.max(most, data[((n * C + c) * H + row) * W + column]!);
      }
    }
    return most;
  });
}
