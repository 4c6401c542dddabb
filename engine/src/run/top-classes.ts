import { expectArgument, expectOptional } from '../arguments/expect.js';
import { aPosition, aTensor, aText, listOf } from '../arguments/kinds.js';
import { FoveaError } from '../errors.js';
import type { Tensor } from '../tensor.js';

/** One class of a network's answer. */
export interface TopClass {
  readonly class: number;
  readonly label: string;
  /** The network's own output. */
  readonly logit: number;
  /** Softmax of the outputs, or the output itself where they are a distribution already. */
  readonly probability: number;
}

/**
 * The most probable classes of one image.
 * @param labels class names; `class N` where there are none
 * @returns nothing for an output that is no vector of classes an image, such as a map
 *
 * @example
 * ```ts
 * import { loadShippedModel, run, Tensor, topClasses } from '@fovea/engine';
 *
 * const network = await loadShippedModel('quick-look');
 * const { channels, height, width } = network.inputShape;
 * const { output } = await run(network, Tensor.zeros([1, height, width, channels]));
 * for (const { label, probability } of topClasses(output, 0, 3, network.labels)) console.log(label, probability);
 * ```
 */
export function topClasses(
  output: Tensor,
  image: number,
  count: number,
  labels?: readonly string[],
): TopClass[] {
  expectArgument(output, aTensor, 'topClasses: output');
  expectArgument(image, aPosition, 'topClasses: image');
  expectArgument(count, aPosition, 'topClasses: count');
  expectOptional(labels, listOf(aText, 'texts'), 'topClasses: labels');
  const [N, H, W, C] = output.shape;
  if (image >= N)
    throw new FoveaError('bad-argument', `topClasses: image ${image} of ${N}; 0 to ${N - 1} are accepted`);
  if (H !== 1 || W !== 1 || C < 2 || output.fileDims) return [];
  const logits = output.data.subarray(image * C, (image + 1) * C);
  const sum = logits.reduce((total, value) => total + value, 0);
  const isDistribution = logits.every((value) => value >= 0) && Math.abs(sum - 1) < 1e-3;
  const highest = logits.reduce((max, value) => Math.max(max, value), Number.NEGATIVE_INFINITY);
  const weights = isDistribution ? logits : logits.map((value) => Math.exp(value - highest));
  const total = weights.reduce((all, value) => all + value, 0);
  return Array.from(logits.keys())
    .sort((a, b) => logits[b]! - logits[a]!)
    .slice(0, count)
    .map((index) => ({
      class: index,
      label: labels?.[index] ?? `class ${index}`,
      logit: logits[index]!,
      probability: weights[index]! / total,
    }));
}
