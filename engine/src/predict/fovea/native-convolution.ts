import { Features, type NativeMachine } from './features.js';
import { type PassItems, passItems } from './native-items.js';
import { type Form, formOf, winogradForm, winogradProducts } from './native-packing.js';
import { winogradPays } from './native-squares.js';

/**
 * The loops of engine/native/infer/convolve.cc and winograd.cc, counted: output pixels or squares of them in
 * blocks whose inputs stay in the second-level cache, panels of output channels, pieces of the reduction,
 * register tiles.
 */

/** Output pixels that a thread works on at a time. */
const blockPixels = 96;

/** Squares that a thread works on at a time: their transformed inputs fill most of the second-level cache. */
const squaresTogether = (channels: number) =>
  Math.min(60, Math.max(12, Math.floor((96 * 1024) / winogradProducts / channels)));

/** A convolution at some of its output pixels. */
export interface NativeConvolution {
  /** Output pixels computed, whole batch; may be an expectation. */
  readonly pixels: number;
  /** Pixels of the whole output map, whole batch. */
  readonly wholePixels: number;
  /** Squares of 2 x 2 output pixels with at least one that is computed, and of the whole map; see `Coverage`. */
  readonly squares: number;
  readonly wholeSquares: number;
  /** True when pixels and squares are expectations: counts that follow are then smooth in them. */
  readonly expected: boolean;
  /** Calls that the pass is made in, of the whole map: bands of a stream, otherwise one. */
  readonly calls: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly taps: number;
  readonly kernelWidth: number;
  readonly stride: number;
  /** True when Winograd's algorithm may compute it; see `computesSquares`. */
  readonly squareable: boolean;
  /** Width of the output map. */
  readonly mapWidth: number;
  readonly groups: number;
  /** Bytes of the input map that are read, and of the whole map that they lie in. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  /** Runs of pixels side by side that the pass is computed in, where they are listed; otherwise 0. */
  readonly listedRuns: number;
  /** True when a residual map is read and written in place. */
  readonly residual: boolean;
  /** True when the convolution before, or after, runs band by band with this one: what passes between is near. */
  readonly inputStreamed: boolean;
  readonly outputStreamed: boolean;
  /** Bytes of all weights that pass by between one band and the next; 0 where there are no bands. */
  readonly streamWeightBytes: number;
}

/** Costs of one unit of every amount; with them the cheaper of two ways can be told. */
export type Costs = Float64Array;

/**
 * Amounts of a convolution pass on the critical path when `threads` share it.
 *
 * The backend decides by counting squares and pixels which algorithm is faster. Of expected counts the one with
 * less cost is taken here, so that a higher rate never costs less; of exact ones, the one that will run.
 */
export function convolutionFeatures(
  given: NativeConvolution,
  machine: NativeMachine,
  threads: number,
  costs?: Costs,
): Features {
  if (given.pixels <= 0) {
    const features = new Features();
    features.add('convolutions', 1);
    return features;
  }
  const direct = () => directFeatures(given, machine, threads);
  if (!given.squareable || !winogradPays(given.wholeSquares, given.wholePixels)) return direct();
  const inSquares = () => squareFeatures(given, machine, threads);
  if (!given.expected || !costs) return winogradPays(given.squares, given.pixels) ? inSquares() : direct();
  const [a, b] = [direct(), inSquares()];
  return a.cost(costs) <= b.cost(costs) ? a : b;
}

function directFeatures(given: NativeConvolution, machine: NativeMachine, threads: number): Features {
  const features = new Features();
  const form = formOf(given, machine);
  const items = passItems(
    { units: given.pixels, whole: given.wholePixels, together: blockPixels, ...passOf(given, form) },
    machine.tileRows,
    threads,
  );
  if (form.depthwise) {
    const vectors = Math.ceil(given.outChannels / machine.lanes);
    features.add('depthwise', given.pixels * form.steps * vectors * items.share);
  } else {
    addTiles(features, given, form, machine, items);
    features.add('partialSums', given.pixels * items.share * vectorsOf(form, machine) * (form.pieces - 1));
  }
  features.add('pointed', items.prepared * items.share);
  if (given.taps > 1 || given.stride > 1)
    features.add('pointers', items.prepared * form.pointers * items.share);
  addTraffic(features, given, form, machine, items);
  addAgain(features, form, machine, {
    distinct: distinctPixels(given),
    channels: form.steps / form.pointers,
    blocks: items.blocks,
    share: items.share,
  });
  return features;
}

function squareFeatures(given: NativeConvolution, machine: NativeMachine, threads: number): Features {
  const features = new Features();
  const { inChannels, squares } = given;
  const form = winogradForm(formOf(given, machine), inChannels);
  const together = squaresTogether(inChannels);
  // Bands end where two rows of pixels do.
  const calls = Math.min(given.calls, given.wholeSquares / Math.ceil(given.mapWidth / 2));
  const items = passItems(
    { units: squares, whole: given.wholeSquares, together, ...passOf(given, form), calls },
    machine.tileRows,
    threads,
  );
  addTiles(features, given, form, machine, items);
  const vectors = vectorsOf(form, machine);
  features.add('partialSums', squares * items.share * vectors * form.pieces);
  features.add('pointers', items.prepared * form.pointers * items.share);
  features.add('squareInputs', items.prepared * Math.ceil(inChannels / machine.lanes) * items.share);
  features.add('squareOutputs', squares * vectors * items.share);
  addTraffic(features, given, form, machine, items);
  addAgain(features, form, machine, {
    distinct: squares,
    channels: form.steps,
    blocks: items.blocks,
    share: items.share,
  });
  return features;
}

const passOf = ({ expected, calls }: NativeConvolution, { fullPanels, restPanels }: Form) => ({
  expected,
  calls,
  panels: Math.max(1, fullPanels + restPanels),
});

/** Vectors of output channels, those of narrower panels included. */
const vectorsOf = ({ fullPanels, restPanels, restVectors }: Form, { tileVectors }: NativeMachine) =>
  fullPanels * tileVectors + restPanels * restVectors;

/**
 * Tiles that a step of weights takes to arrive: a block of fewer waits for it. Weights that no pass has used lately
 * come from memory, those of the block before from the last-level cache.
 */
const tilesOfMemory = 3;
const tilesOfFar = 1.5;

/** Tiles beside the first after which weights that arrive meanwhile cost nothing more. */
const tilesThatHide = 5;

function addTiles(
  features: Features,
  given: NativeConvolution,
  form: Form,
  { tileVectors, nearBytes }: NativeMachine,
  { units, tiles, blocks, calls, share }: PassItems,
): void {
  const { steps, pieces, fullPanels, restPanels, restVectors, weightBytes } = form;
  const ofBlock = tiles / blocks;
  const waitOf = (bytes: number) => (bytes > nearBytes ? tilesOfFar : 0);
  // The first block of all finds its weights in no cache; the first of every later band, and the others, where weights
  // of that many bytes stay.
  const held =
    Math.max(ofBlock, tilesOfMemory) +
    (calls - 1) * Math.max(ofBlock, waitOf(Math.max(weightBytes, given.streamWeightBytes))) +
    (blocks - calls) * Math.max(ofBlock, waitOf(weightBytes));
  for (const [panels, vectors] of [
    [fullPanels, tileVectors],
    [restPanels, restVectors],
  ] as const) {
    if (panels === 0) continue;
    features.add('multiplyAdds', units * vectors * steps * panels * share);
    features.add('weightSteps', held * vectors * steps * panels * share);
    features.add('tileSteps', tiles * steps * panels * share);
    features.add('tileCalls', tiles * pieces * panels * share);
  }
}

/** Amounts of bytes that are told apart by the level that holds them. */
export type LevelledName =
  | 'read'
  | 'write'
  | 'residual'
  | 'runs'
  | 'breaks'
  | 'gather'
  | 'again'
  | 'scatter'
  | 'add';

/** Splits the bytes of a tensor of `size` bytes between the levels that can hold it. */
export function addLevels(
  features: Features,
  kind: LevelledName,
  bytes: number,
  size: number,
  { nearBytes, farBytes }: NativeMachine,
): void {
  if (bytes <= 0) return;
  const near = Math.min(1, nearBytes / size);
  const far = Math.min(1, farBytes / 2 / size) - near;
  features.add(`${kind}Near`, bytes * near);
  if (far > 0) features.add(`${kind}Far`, bytes * far);
  features.add(`${kind}Memory`, bytes * Math.max(0, 1 - near - Math.max(0, far)));
}

function addTraffic(
  features: Features,
  given: NativeConvolution,
  form: Form,
  machine: NativeMachine,
  { tiles, blocks, calls, count, parts, share }: PassItems,
): void {
  const panels = Math.max(1, form.fullPanels + form.restPanels);
  features.add('convolutions', 1);
  features.add('calls', calls);
  features.add('items', count * share);
  features.add('panels', blocks * panels * form.pieces * share);
  features.add('elements', given.pixels * given.outChannels * share);
  // A thread's first block brings the weights of its panels in: the more tiles it has, the more of that is hidden.
  const waiting = Math.max(0, 1 - (tiles / blocks - 1) / tilesThatHide);
  features.add('weightsFirst', form.weightBytes * waiting * (parts >= 2 ? share : 1));
  const inputSize = given.inputStreamed ? Math.min(machine.nearBytes, given.inputBytes) : given.inputBytes;
  const outputSize = given.outputStreamed
    ? Math.min(machine.nearBytes, given.outputBytes)
    : given.outputBytes;
  addLevels(features, 'read', given.inputBytes * share, inputSize, machine);
  // Where a listed run ends, so does what a prefetcher foresees, of the map read and of the map written.
  addLevels(features, 'breaks', given.listedRuns * share, given.inputBytes + given.outputBytes, machine);
  // A pointwise convolution with a stride skips pixels, which no prefetcher foresees.
  if (given.taps === 1 && given.stride > 1) features.add('readStrided', given.inputBytes * share);
  addLevels(features, 'write', given.outputBytes * share, outputSize, machine);
  if (given.residual) addLevels(features, 'residual', given.outputBytes * share, given.outputBytes, machine);
  if (given.taps > 1 && given.stride > 1 && !form.depthwise) {
    // A spatial one starts a run of channels anew at every pixel and group: each start waits for its line.
    const runs = (given.inputBytes / 4 / given.inChannels) * form.spans;
    addLevels(features, 'runs', runs * share, inputSize, machine);
  }
  // Groups that are computed apart read short runs of channels, far from each other.
  if (form.spans > 1) features.add('groupRuns', distinctPixels(given) * form.spans * share);
}

/** Inputs of a block, read once more for every panel from wherever they stay meanwhile. */
function addAgain(
  features: Features,
  form: Form,
  machine: NativeMachine,
  {
    distinct,
    channels,
    blocks,
    share,
  }: {
    readonly distinct: number;
    readonly channels: number;
    readonly blocks: number;
    readonly share: number;
  },
): void {
  if (form.depthwise) return;
  const panels = form.fullPanels + form.restPanels;
  const bytes = 4 * distinct * channels;
  const together = (bytes * form.spans) / blocks;
  addLevels(features, 'again', bytes * panels * share, together, machine);
}

/** Input pixels that all blocks read, each counted once a block: those that neighbouring outputs share once. */
function distinctPixels({ pixels, taps, kernelWidth, stride, mapWidth }: NativeConvolution): number {
  if (taps === 1) return pixels;
  const ofBlock = Math.min(pixels, blockPixels);
  const rows = Math.max(1, ofBlock / mapWidth);
  const columns = Math.min(ofBlock, mapWidth);
  const reach = (outputs: number, kernel: number) => (outputs - 1) * stride + kernel;
  const kernelHeight = taps / kernelWidth;
  const distinct = Math.min(ofBlock * taps, reach(rows, kernelHeight) * reach(columns, kernelWidth));
  return (distinct / ofBlock) * pixels;
}
