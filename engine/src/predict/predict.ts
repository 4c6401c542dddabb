import { expectArgument, expectOptions } from '../arguments/expect.js';
import { aNetwork } from '../arguments/kinds.js';
import { didYouMean } from '../did-you-mean.js';
import { FoveaError } from '../errors.js';
import { assumedRates } from '../mask/rate.js';
import { shapesOf } from '../network/kept-shapes.js';
import type { Network } from '../network/network.js';
import { checkGivenPlan } from '../plan/check-plan.js';
import { keptPlan } from '../plan/kept-plan.js';
import type { Profile } from '../profile.js';
import { costModels, type PredictOptions, predictOptionKinds, resolveSetting } from './options.js';
import { foveaProfile } from './program-cost/profile.js';
import { publishedProfile } from './published/profile.js';

/**
 * Predicts how long a network will take on a device, before anything runs.
 *
 * The plan is the one given, or the one that `strategy` makes at `granularity`. Masks are those given, or
 * random ones at `rate`. The answer has the same form as a measurement.
 *
 * @returns a Profile of kind `predicted`; `totalMs` is for the whole batch
 * @throws FoveaError `unknown-name` (device, strategy, model), `bad-argument` (rate outside 0…1, S below 1, a
 *   device without bandwidth, a plan that does not fit), `bad-shape`, `backend-unavailable` for `this-machine`
 *   when it is not calibrated, `unsupported` for a rewritten plan with the published model
 *
 * @example
 * ```ts
 * import { builtNetwork, predict } from '@fovea/engine';
 *
 * const network = builtNetwork('resnet50');
 * const { totalMs } = predict(network, { device: 'v100', strategy: 'lasnet', rate: 0.5, granularity: [8, 4, 7, 1] });
 * console.log(totalMs);
 * ```
 */
export function predict(network: Network, options: PredictOptions): Profile {
  expectArgument(network, aNetwork, 'predict: network');
  expectOptions(options, predictOptionKinds, 'predict');
  const { model = 'fovea', plan: given, ...planning } = options;
  if (!costModels.includes(model)) {
    throw new FoveaError(
      'unknown-name',
      `cost model '${model}': choose ${costModels.join(' or ')}${didYouMean(model, costModels)}`,
    );
  }
  const setting = resolveSetting(network, options);
  const shapes = shapesOf(network, { ...options, batch: setting.batch });
  const rates = assumedRates(options.rate, options.maskers, shapes.blocks.length);
  const { device, batch, threads } = setting;
  const plan = given
    ? checkGivenPlan(network, given, options)
    : keptPlan(network, { ...planning, device, batch, threads });
  return model === 'published'
    ? publishedProfile(network, plan, shapes, setting, { ...options, rates })
    : foveaProfile(network, plan, shapes, setting, { ...options, rates });
}
