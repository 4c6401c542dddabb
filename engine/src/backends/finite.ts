import { expectArgument } from '../arguments/expect.js';
import { floats } from '../arguments/kinds.js';
import { FoveaError } from '../errors.js';
import { convolutionsOf } from '../network/convolutions.js';
import { blocksOf, type Network } from '../network/network.js';
import { biasesOf } from '../network/pixel-biases.js';
import type { Tensor } from '../tensor.js';

/** @throws FoveaError `bad-argument` naming the first value that is infinite or not a number */
export function checkFinite({ data }: Tensor): void {
  checkValues(data, 'input value');
}

/** Memory may have been transferred to somebody else since a network was made. */
function checkLength(values: Float32Array, wanted: number, what: string): void {
  expectArgument(values, floats, what);
  if (values.length === wanted) return;
  throw new FoveaError('bad-argument', `${what}: ${values.length} values; ${wanted} are accepted`);
}

/**
 * Weights that are no numbers come of training that has diverged, and of damaged files. With them every answer is NaN,
 * or looks like one: masks and classes are chosen by comparing, which is false for NaN.
 * @throws FoveaError `bad-argument` naming the layer and its first weight that is infinite or not a number, or how many there
 *   are where that is not what the layer needs
 */
export function checkFiniteWeights(network: Network): void {
  for (const convolution of convolutionsOf(network)) {
    const { name, weight, bias, slopes, normalisation, inChannels, outChannels, kernel, groups } =
      convolution;
    const check = (values: Float32Array, wanted: number, what: string) => {
      checkLength(values, wanted, `${network.name}: ${name} ${what}`);
      checkValues(values, `${network.name}: ${name} ${what}`);
    };
    check(weight, (outChannels * inChannels * kernel[0] * kernel[1]) / groups, 'weight');
    check(bias, outChannels, 'bias');
    if (slopes) check(slopes, outChannels, 'slope');
    if (!normalisation) continue;
    check(normalisation.scale, outChannels, 'normalisation scale');
    check(normalisation.shift, outChannels, 'normalisation shift');
  }
  for (const { name, bias, count } of biasesOf(network)) {
    checkLength(bias.values, count, `${network.name}: ${name} bias`);
    checkValues(bias.values, `${network.name}: ${name} bias`);
  }
  for (const { name, masker } of blocksOf(network)) {
    if (!masker) continue;
    checkValues(masker.weight, `${network.name}: masker of ${name} weight`);
    checkValues([masker.bias], `${network.name}: masker of ${name} bias`);
  }
}

function checkValues(values: Float32Array | readonly number[], what: string): void {
  // A value times 0 is 0 unless it is NaN or infinite. Several sums, as one addition need not wait for the last then.
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = values.length - (values.length % 4);
  for (let i = 0; i < whole; i += 4) {
    a += values[i]! * 0;
    b += values[i + 1]! * 0;
    c += values[i + 2]! * 0;
    d += values[i + 3]! * 0;
  }
  for (let i = whole; i < values.length; i++) a += values[i]! * 0;
  if (a + b + c + d === 0) return;
  const at = values.findIndex((value) => !Number.isFinite(value));
  throw new FoveaError('bad-argument', `${what} ${at} is ${values[at]}; finite numbers are accepted`);
}
