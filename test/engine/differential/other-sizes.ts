import { type Network, type NetworkRunOptions, Random, type RunResult, run } from '@fovea/engine';
import type { Case } from './case.js';
import { picturesOf } from './network.js';
import { strategyNames, strategyOf } from './plans.js';
import { multiplyAdds } from './runs.js';

/** More sizes, with the case's own, than a network keeps sessions for. */
const SIZES = 4;

/** Multiply-adds of a batch of several pictures. */
const LARGE = 5e8;

/** A run of a case's network on pictures of another size. */
export interface OtherRun {
  readonly description: string;
  run(): Promise<RunResult>;
}

/** Runs at sizes that lie a few pixels above a case's, drawn from its seed: their sessions take turns with its own. */
export function otherSizes(test: Case, network: Network): OtherRun[] {
  const random = new Random(test.seed, 3);
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  return Array.from({ length: SIZES }, () => {
    const [height, width] = [test.height + random.below(6), test.width + 1 + random.below(6)];
    const pictures = multiplyAdds(test) > LARGE ? 1 : 1 + random.below(5);
    const strategy = strategyOf(test, pick(strategyNames));
    const options: NetworkRunOptions = {
      backend: 'native',
      strategy,
      masker: pick(['saliency', 'random']),
      rate: pick([0, 0.2, 0.5, 0.8]),
      granularity: pick([1, 2, 3, 5, Number.POSITIVE_INFINITY]),
      excitation: pick(['exact', 'active']),
      threads: 1 + random.below(3),
    };
    const input = picturesOf({ ...test, height, width, pictures });
    return {
      description: `${pictures} of ${height} x ${width}, ${strategy.name}, ${options.masker}`,
      run: () => run(network, input, options),
    };
  });
}
