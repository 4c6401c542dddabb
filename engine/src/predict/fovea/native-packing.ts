import type { NativeMachine } from './features.js';

/** Reduction steps of which the weights are kept in the first-level cache. */
const reductionSteps = 256;

/** The geometry that decides how a convolution is packed. */
export interface PackedGeometry {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly taps: number;
  readonly kernelWidth: number;
  readonly groups: number;
}

/** How the weights of a convolution lie in memory: engine/native/infer/pack.cc. */
export interface Form {
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

/** How a convolution is packed for its direct computation. */
export function formOf(given: PackedGeometry, machine: NativeMachine): Form {
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

/** Products by which Winograd's F(2x2, 3x3) makes four outputs. */
export const winogradProducts = 16;

/** How its weights are packed for Winograd's algorithm: engine/native/infer/winograd.cc. */
export function winogradForm(direct: Form, inChannels: number): Form {
  const steps = winogradProducts * inChannels;
  return {
    ...direct,
    pointers: winogradProducts,
    steps,
    pieces: winogradProducts * Math.ceil(inChannels / reductionSteps),
    weightBytes: (direct.weightBytes / direct.steps) * steps,
  };
}
