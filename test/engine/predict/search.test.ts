import { builtNetwork, getDevice, makePlan, predict, strategyNames } from '@fovea/engine';
import { type SearchOptions, searchGranularity } from '@fovea/engine/predict';
import { describe, expect, it } from 'vitest';
import { auto } from '../../../engine/src/predict/auto.js';

const network = builtNetwork('resnet50');

describe('searchGranularity', () => {
  const result = searchGranularity(network, 'v100', { rate: 0.4 });

  it('tries every S and strategy on every block, dense among them', () => {
    const [first] = result.blocks;
    expect(first!.candidates[0]!.strategy).toBe('dense');
    expect(new Set(first!.candidates.map(({ granularity }) => granularity))).toEqual(
      new Set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 19, 56]),
    );
    for (const strategy of ['unfused', 'lasnet', 'streamed']) {
      expect(first!.candidates.filter((candidate) => candidate.strategy === strategy)).toHaveLength(14);
    }
  });

  it('chooses the fastest, block by block and stage by stage', () => {
    for (const { best, candidates } of result.blocks) {
      expect(best.totalMs).toBe(Math.min(...candidates.map(({ totalMs }) => totalMs)));
    }
    for (const { best, candidates } of result.stages) {
      expect(best.totalMs).toBe(Math.min(...candidates.map(({ totalMs }) => totalMs)));
    }
    expect(result.stages.map(({ blocks }) => blocks)).toEqual([3, 4, 6, 3]);
  });

  it('returns its choice as a plan that costs what it promised, but for pools shared between blocks', () => {
    const profile = predict(network, { device: 'v100', plan: result.plan, rate: 0.4 });
    expect(profile.totalMs).toBeLessThanOrEqual(result.totalMs * 1.0001);
    expect(profile.totalMs).toBeGreaterThan(result.totalMs * 0.8);
    expect(result.totalMs).toBeLessThan(result.denseMs);
  });

  it('says in a sentence what to do, from which rate on, and what bounds it', () => {
    for (const { advice, name } of result.blocks) {
      expect(advice.sentence).toContain(name);
      expect(advice.sentence).toMatch(/bound by (arithmetic|data movement|overhead)/);
      expect(advice.breakEvenRate).toBeGreaterThan(0.4);
    }
  });

  it('finds the rate at which the block stops paying', () => {
    const { best, dense, advice, block } = result.blocks[4]!;
    const at = (rate: number) => {
      const again = searchGranularity(network, 'v100', {
        rate,
        granularities: [best.granularity],
        strategies: [best.strategy],
      });
      return again.blocks[block]!.candidates[1]!.totalMs;
    };
    expect(at(Math.max(0, advice.breakEvenRate - 0.02))).toBeLessThanOrEqual(dense.totalMs);
    if (advice.breakEvenRate < 0.98) expect(at(advice.breakEvenRate + 0.02)).toBeGreaterThan(dense.totalMs);
  });

  it('advises dense where being adaptive costs more', () => {
    const { blocks } = searchGranularity(network, 'v100', {
      rate: 1,
      strategies: ['unfused'],
      granularities: [1],
    });
    expect(blocks.every(({ best, advice }) => best.mode === 'dense' && !advice.adaptive)).toBe(true);
    expect(blocks[1]!.advice.sentence).toMatch(/dense: at rate 1\.00/);
  });

  it('takes a rate that depends on S', () => {
    const { blocks } = searchGranularity(network, 'v100', { ratePerGranularity: { 1: 0.2, 7: 0.9 } });
    for (const { granularity, rate } of blocks[0]!.candidates.slice(1)) {
      expect([
        [1, 0.2],
        [7, 0.9],
      ]).toContainEqual([granularity, rate]);
    }
  });

  it('with the objective finest takes the smallest S that is nearly as fast', () => {
    const fine = searchGranularity(network, 'tx2', { rate: 0.4, objective: 'finest', tolerance: 0.1 });
    const fast = searchGranularity(network, 'tx2', { rate: 0.4 });
    fine.blocks.forEach(({ best }, i) => {
      expect(best.granularity).toBeLessThanOrEqual(fast.blocks[i]!.best.granularity);
      expect(best.totalMs).toBeLessThanOrEqual(fast.blocks[i]!.best.totalMs * 1.1);
    });
    expect(fine.blocks[0]!.best.granularity).toBeLessThan(fast.blocks[0]!.best.granularity);
  });

  it('answers alike when asked again', () => {
    expect(searchGranularity(network, 'v100', { rate: 0.4 })).toEqual(result);
  });
});

describe('the Pareto front', () => {
  const scores = { 1: 1, 2: 0.98, 4: 0.95, 7: 0.9 };
  const { pareto } = searchGranularity(network, 'v100', { rate: 0.5, granularities: [1, 2, 4, 7], scores });

  it('holds points of which none beats another in both time and score', () => {
    expect(pareto!.length).toBeGreaterThan(2);
    for (let i = 1; i < pareto!.length; i++) {
      expect(pareto![i]!.totalMs).toBeGreaterThanOrEqual(pareto![i - 1]!.totalMs);
      expect(pareto![i]!.score).toBeGreaterThan(pareto![i - 1]!.score);
    }
  });

  it('ends at the best score, with S of every stage', () => {
    expect(pareto!.at(-1)).toMatchObject({ granularity: [1, 1, 1, 1], score: 1 });
  });
});

describe('the auto strategy', () => {
  it('is known by name', () => {
    expect(strategyNames()).toContain('auto');
  });

  it('is never predicted slower than any one strategy for a block', () => {
    const device = getDevice('nano');
    const context = { device, granularity: 2, rate: 0.6 } as const;
    const chosen = predict(network, { ...context, strategy: auto });
    for (const strategy of ['dense', 'unfused', 'lasnet']) {
      const fixed = predict(network, { ...context, strategy });
      chosen.blocks.forEach(({ totalMs }, i) => {
        expect(totalMs).toBeLessThanOrEqual(fixed.blocks[i]!.totalMs * 1.0001);
      });
    }
  });

  it('gives its reason with the figures', () => {
    const plan = makePlan(network, { strategy: 'auto', device: getDevice('v100'), granularity: 4 });
    for (const { reason } of plan.blocks) expect(reason).toMatch(/fastest on v100.*dense.*streamed/);
  });

  it('stays dense where everything is active', () => {
    const plan = makePlan(network, { strategy: 'auto', device: getDevice('v100'), granularity: 1, rate: 1 });
    expect(plan.blocks.every(({ mode }) => mode === 'dense')).toBe(true);
  });
});

describe('what the search refuses', () => {
  const cases: [name: string, options: SearchOptions, message: RegExp][] = [
    ['a rate above 1', { rate: 2 }, /rate 2/],
    ['a granularity of 0', { granularities: [0] }, /S = 0/],
    ['an unknown strategy', { strategies: ['magic'] }, /"magic"/],
    ['an unknown objective', { objective: 'beauty' as never }, /"beauty".*latency or finest/],
    ['a negative tolerance', { tolerance: -1 }, /-1/],
    [
      'rates for no S that is searched',
      { ratePerGranularity: { 4: 0.5 }, granularities: [2] },
      /no granularity/,
    ],
    ['scores for no S that is searched', { scores: { 11: 1 }, granularities: [2] }, /S = 11/],
  ];
  for (const [name, options, message] of cases) {
    it(name, () => {
      expect(() => searchGranularity(network, 'v100', options)).toThrow(message);
    });
  }
});
