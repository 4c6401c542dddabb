import { expectArgument, expectOptions, type Kinds } from '../../arguments/expect.js';
import { aFunction, aNetwork, aNumberOrNumbers, aTensor, listOf, numbers } from '../../arguments/kinds.js';
import { FoveaError } from '../../errors.js';
import type { Network } from '../../network/network.js';
import type { Granularity } from '../../plan/granularity.js';
import { flopsLeft } from '../../profile.js';
import { run } from '../../run/run.js';
import { usingNetwork } from '../../run/sessions.js';
import type { Tensor } from '../../tensor.js';
import { checkOptions, type FitOptions, fitMaskers, fitOptionKinds } from './fit.js';

/** How far an adaptive network's answers are from the dense network's, at one S and one rate. */
export interface Agreement {
  readonly granularity: Granularity;
  /** Rate asked for. */
  readonly rate: number;
  /** Mean active fraction over blocks, as measured on these images. */
  readonly measuredRate: number;
  /** FLOPs done relative to dense. */
  readonly flops: number;
  /** Fraction of images, or of positions where the output is a map, whose most probable class is the dense network's. */
  readonly top1: number;
  /** Mean cosine between the logits and the dense network's. */
  readonly cosine: number;
}

/** What `measureAgreement` fits and compares. */
export interface AgreementOptions extends Omit<FitOptions, 'rate' | 'flopsTarget' | 'granularity'> {
  /** Rates to try, 0…1; quarter steps when left out. */
  readonly rates?: readonly number[];
  /** Granularities to try; 1 when left out. */
  readonly granularities?: readonly Granularity[];
  /** Images to fit on; the images compared on when left out. */
  readonly calibration?: Tensor;
  readonly onProgress?: (done: number, count: number) => void;
}

const { rate: _, flopsTarget: __, granularity: ___, ...fittingKinds } = fitOptionKinds;
const agreementOptionKinds: Kinds<AgreementOptions> = {
  ...fittingKinds,
  rates: numbers,
  granularities: listOf(aNumberOrNumbers, 'granularities'),
  calibration: aTensor,
  onProgress: aFunction,
};

/**
 * Agreement of two outputs of the same images, `[N, …, classes]`: the share of images, and of positions in each where
 * the output is a map, whose most probable class is the same, and the mean cosine.
 */
export function compareOutputs(
  output: Tensor,
  dense: Tensor,
): { readonly top1: number; readonly cosine: number } {
  const N = dense.shape[0];
  if (output.data.length !== dense.data.length || output.shape[0] !== N) {
    throw new FoveaError(
      'bad-shape',
      `outputs of shape [${output.shape.join(', ')}] and [${dense.shape.join(', ')}] cannot be compared`,
    );
  }
  const size = dense.data.length / N;
  const classes = dense.shape[3];
  let [same, cosine] = [0, 0];
  for (let n = 0; n < N; n++) {
    const [a, b] = [output, dense].map(({ data }) => data.subarray(n * size, (n + 1) * size)) as [
      Float32Array,
      Float32Array,
    ];
    const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
    const largest = (x: Float32Array) =>
      x.indexOf(x.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY));
    // A map decides at every position: each pixel of a segmentation, each character of a line.
    for (let at = 0; at < size; at += classes) {
      const here = (x: Float32Array) => largest(x.subarray(at, at + classes));
      if (here(a) === here(b)) same += classes / size;
    }
    cosine += dot(a, b) / Math.max(1e-30, Math.sqrt(dot(a, a) * dot(b, b)));
  }
  return { top1: same / N, cosine: cosine / N };
}

/**
 * Fits maskers at every granularity and rate and compares the adaptive network's answers with the dense
 * network's: how much can be left out before they change.
 *
 * @param images `[N, H, W, C]`, normalised
 * @throws FoveaError as `fitMaskers` does
 */
export async function measureAgreement(
  network: Network,
  images: Tensor,
  options: AgreementOptions = {},
): Promise<Agreement[]> {
  expectArgument(network, aNetwork, 'measureAgreement: network');
  expectArgument(images, aTensor, 'measureAgreement: images');
  expectOptions(options, agreementOptionKinds, 'measureAgreement');
  const {
    rates = [0.25, 0.5, 0.75, 1],
    granularities = [1],
    calibration = images,
    onProgress,
    ...fitting
  } = options;
  for (const rate of rates) checkOptions(network, { ...fitting, rate });
  const { ridge: _, ...running } = fitting;
  const dense = (await run(network, images, { ...running, masker: 'random', rate: 1, strategy: 'dense' }))
    .output;
  const rows: Agreement[] = [];
  for (const granularity of granularities) {
    for (const rate of rates) {
      const fitted = await fitMaskers(network, calibration, { ...fitting, rate, granularity });
      const { output, masks, profile } = await usingNetwork(fitted.network, (candidate) =>
        run(candidate, images, { ...running, masker: 'learned' }),
      );
      const active = masks.map(({ cells }) => cells.reduce((sum, cell) => sum + cell, 0) / cells.length);
      rows.push({
        granularity,
        rate,
        measuredRate: active.reduce((sum, each) => sum + each, 0) / Math.max(1, active.length),
        flops: flopsLeft(profile),
        ...compareOutputs(output, dense),
      });
      onProgress?.(rows.length, granularities.length * rates.length);
    }
  }
  return rows;
}
