import { expectArgument } from '../arguments/expect.js';
import { aText } from '../arguments/kinds.js';
import { isPromise, said } from '../arguments/said.js';
import { didYouMean } from '../did-you-mean.js';
import { FoveaError } from '../errors.js';
import type { Block } from '../network/network.js';
import { branchPrimitives, convolutionName } from '../primitives/primitive.js';
import { refuseOwnName } from './own-names.js';
import type { Group, Primitive } from './plan.js';
import type { Strategy, StrategyContext, StrategyName } from './strategy.js';

/** Index of the first convolution with a kernel larger than 1x1: the one that needs a halo gathered. */
export function firstSpatial(block: Block): number {
  return block.branch.findIndex(({ kernel }) => kernel[0] > 1 || kernel[1] > 1);
}

const groups = (...passes: Primitive[][]): Group[] =>
  passes.filter((primitives) => primitives.length > 0).map((primitives) => ({ primitives }));

const projection = ({ block }: StrategyContext): Primitive[] => (block.projection ? ['projection'] : []);
const pool = ({ needsPool }: StrategyContext): Primitive[] => (needsPool ? ['pool'] : []);

/** The branch with `gather` before its first spatial convolution. */
function gatheredBranch(block: Block): Primitive[] {
  const spatial = convolutionName(firstSpatial(block));
  return branchPrimitives(block).flatMap((primitive): Primitive[] =>
    primitive === spatial ? ['gather', primitive] : [primitive],
  );
}

/**
 * The branch in as few passes as can be: attention pools the whole map, which ends one pass and
 * begins the next.
 */
function passesOf(
  branch: readonly Primitive[],
  pooledWhole: boolean,
  after: readonly Primitive[],
): Primitive[][] {
  const cut = pooledWhole ? branch.indexOf('excite') : -1;
  return cut < 0
    ? [[...branch, ...after]]
    : [branch.slice(0, cut), ['excite'], [...branch.slice(cut + 1), ...after]];
}

/**
 * Every block computed everywhere; masks are not even asked for. The branch is streamed with the add at its
 * end, so that adaptive execution is compared with nothing slower than that.
 */
export const dense: Strategy = {
  name: 'dense',
  description: 'every pixel of every block, no masks',
  plan: (context) => {
    const { block } = context;
    return {
      mode: 'dense',
      groups: groups(
        projection(context),
        ...passesOf(branchPrimitives(block), block.attention !== undefined, ['add']),
      ),
    };
  },
};

/** Every primitive its own pass over memory, as the literature before LASNet ran. */
export const unfused: Strategy = {
  name: 'unfused',
  description: 'every primitive its own pass over memory',
  plan: (context) => ({
    mode: 'adaptive',
    groups: groups(
      pool(context),
      ['mask'],
      ['index'],
      projection(context),
      ...gatheredBranch(context.block).map((primitive) => [primitive]),
      ['scatter'],
      ['add'],
    ),
  }),
};

/**
 * LASNet's three fusions: masker + conv1 (which makes conv1 dense: the mask is known only afterwards),
 * gather + first spatial convolution, scatter + add. Where conv1 is itself the spatial convolution (basic
 * blocks) it follows the mask instead, and only the other two fusions apply.
 */
export const lasnet: Strategy = {
  name: 'lasnet',
  description: 'masker + conv1, gather + conv2, scatter + add',
  plan: (context) => {
    const { block } = context;
    const [first, ...rest] = branchPrimitives(block);
    const spatial = firstSpatial(block);
    if (spatial === 0) {
      return {
        mode: 'adaptive',
        groups: groups(
          [...pool(context), 'mask'],
          ['index'],
          projection(context),
          ['gather', first!],
          ...rest.map((primitive) => [primitive]),
          ['scatter', 'add'],
        ),
      };
    }
    const spatialName = convolutionName(spatial);
    return {
      mode: 'adaptive',
      groups: groups(
        [...pool(context), 'mask', first!],
        ['index'],
        projection(context),
        ...rest.map((primitive): Primitive[] =>
          primitive === spatialName ? ['gather', primitive] : [primitive],
        ),
        ['scatter', 'add'],
      ),
    };
  },
};

/**
 * The whole branch in one pass, tile by tile, with its intermediates in cache; nothing is copied to gather,
 * and the result is added in place.
 */
export const streamed: Strategy = {
  name: 'streamed',
  description: 'whole block tile by tile, intermediates in cache, added in place',
  plan: (context) => {
    const { block, next } = context;
    const nextPool: Primitive[] = next && context.needsPool ? ['next-pool'] : [];
    const passes = passesOf(gatheredBranch(block), block.attention !== undefined, [
      'scatter',
      'add',
      ...nextPool,
    ]);
    return {
      mode: 'adaptive',
      groups: groups(pool(context), ['mask'], ['index'], projection(context), ...passes),
    };
  },
};

/** Those of the engine itself, which every process has that loads it. */
const shipped = new Set<Strategy>([dense, unfused, lasnet, streamed]);
const known = new Map([...shipped].map((strategy) => [strategy.name, strategy]));

/**
 * Makes a strategy known by its name, to `getStrategy` and so to every command and panel.
 *
 * @example
 * ```ts
 * import { builtNetwork, getStrategy, predict, registerStrategy } from '@fovea/engine';
 *
 * registerStrategy({
 *   name: 'dense-late',
 *   description: 'dense in the last stage, streamed before it',
 *   plan: (context) => getStrategy(context.block.stage === 3 ? 'dense' : 'streamed').plan(context),
 * });
 * console.log(predict(builtNetwork('resnet18'), { device: 'cpu-avx2', strategy: 'dense-late' }).totalMs);
 * ```
 * A name that is registered again takes the new strategy, as when a cell runs twice.
 * @throws FoveaError `bad-argument` for anything that is no strategy, and for the name of one of the engine's: what is
 *   compared with `dense` must be compared with the same everywhere
 */
export function registerStrategy(strategy: Strategy): void {
  checkStrategy(strategy);
  const { name } = strategy;
  if (known.get(name) !== strategy) refuseOwnName('strategy', name, shippedStrategyNames());
  known.set(name, strategy);
}

/** Makes a strategy known that belongs to the engine. */
export function registerShipped(strategy: Strategy): void {
  shipped.add(strategy);
  known.set(strategy.name, strategy);
}

/** Names of the engine's own strategies, which every process has. */
export function shippedStrategyNames(): string[] {
  return [...shipped].map(({ name }) => name);
}

/** Names that `getStrategy` accepts. */
export function strategyNames(): string[] {
  return [...known.keys()];
}

/**
 * The strategy of that name.
 * @throws FoveaError `unknown-name` that lists the known names
 */
export function getStrategy(name: StrategyName): Strategy {
  expectArgument(name, aText, 'strategy');
  const strategy = known.get(name);
  if (!strategy) {
    throw new FoveaError(
      'unknown-name',
      `unknown strategy "${name}"; known are ${strategyNames().join(', ')}${didYouMean(name, strategyNames())}`,
    );
  }
  return strategy;
}

/**
 * The strategy that an option says.
 * @param strategy by name or by value; `streamed` when left out
 * @throws FoveaError `unknown-name` for a name that is not known, `bad-argument` for a value that is no strategy
 */
export function resolveStrategy(strategy: StrategyName | Strategy = streamed): Strategy {
  if (typeof strategy === 'string') return getStrategy(strategy);
  checkStrategy(strategy);
  return strategy;
}

function checkStrategy(strategy: Strategy): void {
  const { name, plan }: Partial<Strategy> = strategy ?? {};
  if (typeof name === 'string' && name !== '' && typeof plan === 'function') return;
  const lacks = typeof plan === 'function' ? 'without a name' : 'without a function "plan"';
  const what =
    typeof strategy === 'object' && strategy !== null && !isPromise(strategy)
      ? `an object ${lacks}`
      : said(strategy);
  throw new FoveaError(
    'bad-argument',
    `strategy ${what}: the name of a strategy, or { name, description, plan } is accepted`,
  );
}
