import { Features, type NativeMachine } from './features.js';

/**
 * The loops of engine/native/infer/convolve.cc, counted: output pixels in blocks whose inputs stay in the
 * second-level cache, panels of output channels, pieces of the reduction, register tiles.
 */

/** Output pixels that a thread works on at a time. */
const blockPixels = 96;
/** Reduction steps of which the weights are kept in the first-level cache. */
const reductionSteps = 256;

/** A convolution at some of its output pixels. */
export interface NativeConvolution {
  /** Output pixels computed, whole batch; may be an expectation. */
  readonly pixels: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly taps: number;
  readonly kernelWidth: number;
  readonly stride: number;
  /** Width of the output map. */
  readonly mapWidth: number;
  readonly groups: number;
  /** Bytes of the input map that are read, and of the whole map that they lie in. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  /** True when a residual map is read and written in place. */
  readonly residual: boolean;
  /** True when the convolution before, or after, runs band by band with this one: what passes between is near. */
  readonly inputStreamed?: boolean;
  readonly outputStreamed?: boolean;
}

interface Form {
  readonly depthwise: boolean;
  /** Pointers to one output pixel's inputs. */
  readonly pointers: number;
  /** Reduction steps: values read for one output. */
  readonly steps: number;
  /** Pieces that the reduction is cut into. */
  readonly pieces: number;
  readonly fullPanels: number;
  /** Vectors of the narrower panel at the end of each span, and how many of them there are. */
  readonly restVectors: number;
  readonly restPanels: number;
  /** Sets of groups that are computed together, each reading its own channels. */
  readonly spans: number;
  readonly weightBytes: number;
}

const forms = new Map<string, Form>();

/** How a convolution is packed: engine/native/infer/pack.cc. */
function formOf(given: NativeConvolution, machine: NativeMachine): Form {
  const { inChannels, outChannels, taps, kernelWidth, groups } = given;
  const { lanes, tileVectors } = machine;
  const key = `${inChannels},${outChannels},${taps},${kernelWidth},${groups},${lanes},${tileVectors}`;
  let form = forms.get(key);
  if (!form) {
    form = packed(inChannels, outChannels, taps, kernelWidth, groups, machine);
    forms.set(key, form);
  }
  return form;
}

function packed(
  inChannels: number,
  outChannels: number,
  taps: number,
  kernelWidth: number,
  groups: number,
  { lanes, tileVectors }: NativeMachine,
): Form {
  const groupIn = inChannels / groups;
  const groupOut = outChannels / groups;
  if (groupIn === 1 && groupOut === 1 && groups > 1) {
    const weightBytes = 4 * taps * outChannels;
    return {
      depthwise: true,
      pointers: taps,
      steps: taps,
      pieces: 1,
      fullPanels: 0,
      restVectors: 0,
      restPanels: 0,
      spans: 1,
      weightBytes,
    };
  }
  const byRows = groups === 1 && inChannels <= 4 && kernelWidth > 1;
  let merged = 1;
  if (!byRows) while (groupOut * merged < lanes && groups % (merged * 2) === 0) merged *= 2;
  const pointers = byRows ? taps / kernelWidth : taps;
  const channels = byRows ? kernelWidth * inChannels : groupIn * merged;
  const steps = pointers * channels;
  const pieces =
    channels >= reductionSteps
      ? pointers * Math.ceil(channels / reductionSteps)
      : Math.min(pointers, Math.max(1, Math.floor((steps + reductionSteps / 2) / reductionSteps)));
  const span = groupOut * merged;
  const spans = groups / merged;
  const tileColumns = lanes * tileVectors;
  const rest = span % tileColumns;
  const restVectors = Math.ceil(rest / lanes);
  const fullPanels = spans * Math.floor(span / tileColumns);
  const restPanels = rest > 0 ? spans : 0;
  const weightBytes = 4 * steps * lanes * (fullPanels * tileVectors + restPanels * restVectors);
  return {
    depthwise: false,
    pointers,
    steps,
    pieces,
    fullPanels,
    restVectors,
    restPanels,
    spans,
    weightBytes,
  };
}

/** How a pass is shared out among threads. */
interface Sharing {
  readonly blocks: number;
  /** Parts that a block's panels are shared out in: small maps have too few blocks to go round. */
  readonly parts: number;
}

function sharingOf(pixels: number, panels: number, threads: number): Sharing {
  const blocks = Math.ceil(pixels / blockPixels);
  const wanted = threads === 1 ? 1 : 4 * threads;
  return { blocks, parts: Math.min(panels, Math.ceil(wanted / blocks)) };
}

/**
 * Amounts of a convolution pass on the critical path when `threads` share it: an equal share of everything, and
 * half an item more, since on average the last item is half done when the other threads run out of work.
 */
export function convolutionFeatures(
  given: NativeConvolution,
  machine: NativeMachine,
  threads: number,
): Features {
  const features = new Features();
  features.add('convolutions', 1);
  const { pixels } = given;
  if (pixels <= 0) return features;
  const form = formOf(given, machine);
  const panels = Math.max(1, form.fullPanels + form.restPanels);
  const { blocks, parts } = sharingOf(pixels, panels, threads);
  const straggling = (0.5 * (1 - 1 / threads)) / parts;
  const whole = { pixels, blocks, share: 1 / threads };
  const item = { pixels: Math.min(pixels, blockPixels), blocks: 1, share: straggling };
  for (const part of threads === 1 ? [whole] : [whole, item]) {
    if (form.depthwise) {
      features.add(
        'depthwise',
        part.pixels * form.steps * Math.ceil(given.outChannels / machine.lanes) * part.share,
      );
    } else {
      addTiles(features, form, machine, part);
    }
    features.add('elements', part.pixels * given.outChannels * part.share);
  }
  features.add('items', (blocks * parts) / threads);
  features.add('panels', (blocks * panels * form.pieces) / threads);
  features.add('pointers', (pointersBuilt(pixels, panels, threads) * form.pointers) / threads);
  addTraffic(features, given, form, machine, { blocks, parts, threads });
  return features;
}

/** Pixels whose pointers are built, once for every part; never fewer than for a smaller number of pixels. */
function pointersBuilt(pixels: number, panels: number, threads: number): number {
  const { blocks, parts } = sharingOf(pixels, panels, threads);
  let most = pixels * parts;
  if (threads === 1) return most;
  for (let fewer = 1; fewer < Math.min(blocks, 4 * threads); fewer++) {
    const boundary = fewer * blockPixels;
    most = Math.max(most, boundary * sharingOf(boundary, panels, threads).parts);
  }
  return most;
}

function addTiles(
  features: Features,
  form: Form,
  { tileRows, tileVectors }: NativeMachine,
  { pixels, blocks, share }: { readonly pixels: number; readonly blocks: number; readonly share: number },
): void {
  const tiles = Math.ceil(pixels / blocks / tileRows) * blocks * share;
  const rows = pixels * share;
  const { steps, pieces, fullPanels, restPanels, restVectors } = form;
  for (const [panels, vectors] of [
    [fullPanels, tileVectors],
    [restPanels, restVectors],
  ] as const) {
    if (panels === 0) continue;
    features.add('multiplyAdds', rows * vectors * steps * panels);
    features.add('weightLoads', tiles * vectors * steps * panels);
    features.add('tileSteps', tiles * steps * panels);
    features.add('tileCalls', tiles * pieces * panels);
    features.add('partialSums', rows * vectors * (pieces - 1) * panels);
  }
}

/** Splits the bytes of a tensor of `size` bytes between the levels that can hold it. */
export function addLevels(
  features: Features,
  kind: 'read' | 'write' | 'weights' | 'residual' | 'runs' | 'gather',
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
  { blocks, parts, threads }: Sharing & { readonly threads: number },
): void {
  const share = 1 / threads;
  // A thread's first block brings the weights of its panels in; later ones find them in the level that holds them.
  features.add('weightsFirst', form.weightBytes * (parts === 1 ? 1 : share));
  addLevels(features, 'weights', form.weightBytes * (blocks - 1) * share, form.weightBytes, machine);
  const inputSize = given.inputStreamed ? Math.min(machine.nearBytes, given.inputBytes) : given.inputBytes;
  const outputSize = given.outputStreamed
    ? Math.min(machine.nearBytes, given.outputBytes)
    : given.outputBytes;
  addLevels(features, 'read', given.inputBytes * share, inputSize, machine);
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
  if (!form.depthwise) {
    const panels = form.fullPanels + form.restPanels;
    const channels = form.steps / form.pointers;
    features.add('readAgain', 4 * distinctPixels(given) * channels * panels * share);
  }
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
