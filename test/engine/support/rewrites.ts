import { getStrategy, Random, type Strategy } from '@fovea/engine';
import { cellOrder, mergeSteps, orderCells, type Rewrite, stepOf } from '@fovea/engine/backend';

/**
 * conv1 everywhere, in one stream with what follows its mask: no grouping says so, for a convolution that comes before
 * the mask's lists is a pass of its own.
 */
export const denseFirst: Strategy = {
  name: 'dense first',
  description: 'conv1 everywhere, streamed with the rest of the branch',
  plan: ({ block, needsPool }) => ({
    mode: 'adaptive',
    groups: [
      ...(needsPool ? [{ primitives: ['pool'] as const }] : []),
      { primitives: ['mask'] },
      ...(block.projection ? [{ primitives: ['projection'] as const }] : []),
      { primitives: ['conv1'] },
      { primitives: ['index'] },
      {
        primitives: [
          ...block.branch.slice(1).map((_, i) => (['conv2', 'conv3'] as const)[i]!),
          ...(['scatter', 'add'] as const),
        ],
      },
    ],
    rewrite: {
      name: 'conv1 into the stream',
      apply: (steps) => mergeSteps(steps, ...block.branch.map((convolution) => stepOf(steps, convolution))),
    },
  }),
};

/** A strategy with a rewrite of its own. */
export const rewritten = (
  name: string,
  rewrite: Rewrite['apply'],
  base: string | Strategy = 'unfused',
): Strategy => ({
  name,
  description: name,
  plan: (context) => ({
    ...(typeof base === 'string' ? getStrategy(base) : base).plan(context),
    rewrite: { name, apply: rewrite },
  }),
});

/** A strategy that goes through cells in another order. */
export const ordered = (base: string | Strategy, order: Parameters<typeof orderCells>[1]): Strategy =>
  rewritten('ordered', (steps) => orderCells(steps, order), base);

/** The cells of a grid in an order of no use, the same every time unless a random generator is given. */
export const shuffledCells = (rows: number, columns: number, random = new Random(rows * columns)): number[] =>
  random.shuffle(cellOrder('rows', rows, columns));

/** The same groups without the rewrite. */
export const asGrouped = (strategy: Strategy): Strategy => ({
  ...strategy,
  plan(context) {
    const { rewrite, ...grouped } = strategy.plan(context);
    return grouped;
  },
});
