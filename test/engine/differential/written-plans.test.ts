import { describe, expect, it } from 'vitest';
import type { BlockCase, Case } from './case.js';
import { check } from './check.js';

const block: BlockCase = {
  ...{
    kind: 'bottleneck',
    width: 6,
    channels: 10,
    stride: 1,
    stridesFirst: false,
    kernel: 3,
    dilation: 1,
    shift: 0,
    groups: 1,
  },
  ...{ squeeze: 0, squeezesLast: false, inner: 'relu', outer: 'relu' },
  ...{ granularity: 3, masker: 'learned', rate: 0.5, dense: false },
};
const basic: BlockCase = { ...block, kind: 'basic' };
const squeezed: BlockCase = { ...block, squeeze: 3 };
const narrow: BlockCase = { ...block, width: 4 };
const dense: BlockCase = { ...block, dense: true };

/** Groups that a user may write though no strategy does, and that once computed something else or nothing. */
const plans: readonly { readonly blocks: readonly BlockCase[]; readonly plan: readonly string[] }[] = [
  // The pool shares a pass with a conv1 that stands before it.
  { blocks: [block], plan: ['conv1 pool | mask | projection | index | conv2 | conv3 | add'] },
  { blocks: [basic], plan: ['conv1 projection pool | mask | index | conv2 add'] },
  // The projection between two convolutions of one pass.
  {
    blocks: [dense, block],
    plan: ['conv1 conv2 projection conv3 add', 'pool | mask | index | conv1 conv2 conv3 add'],
  },
  { blocks: [block], plan: ['pool | mask | index | conv1 projection conv2 conv3 add'] },
  // A convolution of few channels, which does not stream, behind one that does.
  { blocks: [narrow], plan: ['pool | mask | index | projection | conv1 conv2 conv3 add'] },
  // A gather that no convolution reads.
  {
    blocks: [squeezed],
    plan: ['pool | projection | mask | index | conv1 | conv2 | gather | excite | conv3 | add'],
  },
  {
    blocks: [{ ...squeezed, squeezesLast: true }],
    plan: ['pool | projection | mask | index | conv1 | conv2 | conv3 | gather | excite | add'],
  },
  // A dense branch in one pass, the add in another.
  {
    blocks: [dense, block],
    plan: ['projection | conv1 | conv2 conv3 | add', 'pool | mask | index | conv1 | conv2 conv3 | add'],
  },
];

describe('plans that users write', () => {
  it.each(plans.map((written) => ({ ...written, name: written.plan.join(', then ') })))(
    '$name',
    async ({ blocks, plan }) => {
      const test: Case = {
        seed: 1,
        stem: { channels: 5, kernel: 3, stride: 1, pool: false },
        ...{ blocks, skips: [], classes: 0, height: 13, width: 11, pictures: 2, excitation: 'exact' },
        runs: [0, 4].flatMap((bandPixels) =>
          [1, 2].map((threads) => ({ backend: 'native' as const, plan, threads, bandPixels, batch: [0, 1] })),
        ),
      };
      const reference = { ...test.runs[0]!, backend: 'reference' as const };
      const { failure, runs } = await check({ ...test, runs: [...test.runs, reference] });
      expect(failure).toBeUndefined();
      expect(runs).toBeGreaterThan(0);
    },
  );
});
