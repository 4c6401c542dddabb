import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  blocksOf,
  loadShippedModel,
  type Network,
  type NetworkRunOptions,
  run,
  type Tensor,
} from '@fovea/engine';
import {
  type AdaptProgress,
  adaptMaskers,
  canTrain,
  fitMaskers,
  generateDataset,
  imagesOf,
} from '@fovea/engine/train';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { Judge } from '../../../engine/src/train/adapt/judge.js';
import { brightSpots } from '../support/bright-spots.js';
import { withJoins } from '../support/joined-network.js';
import { smallNetwork } from '../support/small-network.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-adapt-'));
afterAll(() => rmSync(folder, { recursive: true }));

const spots = (count: number, side: number) => brightSpots(count, side, 20);

const images = spots(12, 20);
const small = (options: Parameters<typeof smallNetwork>[0] = {}) =>
  smallNetwork({ height: 20, mapWidth: 20, learned: false, ...options });

/** A masker's weights, whatever their scale. */
const directions = (weight: Float32Array) => {
  const length = Math.hypot(...weight);
  return Array.from(weight, (value) => (value / length).toFixed(3));
};

type Masks = Pick<NetworkRunOptions, 'masker' | 'rate'>;
const learned: Masks = { masker: 'learned' };

async function shareOfFlops(network: Network, on = images, masks: Masks = learned): Promise<number> {
  const { profile } = await run(network, on, { ...masks, threads: 2 });
  return profile.flops / (profile.flops + profile.flopsAvoided);
}

/** Mean relative squared distance of a masked network's logits from the dense ones. */
async function distance(network: Network, on: Tensor, masks: Masks = learned): Promise<number> {
  const dense = await run(network, on, { masker: 'random', rate: 1, strategy: 'dense' });
  const masked = await run(network, on, masks);
  const apart = masked.output.data.reduce((sum, value, i) => sum + (value - dense.output.data[i]!) ** 2, 0);
  return apart / dense.output.data.reduce((sum, value) => sum + value ** 2, 0);
}

describe.skipIf(!canTrain())('adapted maskers (need the native kernels)', () => {
  const kinds: [string, Parameters<typeof smallNetwork>[0], number][] = [
    ['bottlenecks', {}, 0.8],
    ['basic blocks', { kind: 'basic' }, 0.8],
    ['inverted residuals', { kind: 'inverted' }, 0.8],
    ['squeeze-and-excitation', { excite: true }, 0.95],
    ['ECA', { excite: true, attention: 'slide' }, 0.95],
    ['CBAM', { excite: true, attention: 'pixels' }, 0.95],
  ];
  it.each(kinds)('%s: leave the FLOPs asked for, as the executor counts them', async (_, options, target) => {
    const network = small(options);
    const { network: adapted, flops } = await adaptMaskers(network, images, {
      ...{ flops: target, steps: 10, batch: 4, granularity: 2, threads: 2 },
    });
    expect(Math.abs(flops - target)).toBeLessThan(0.02);
    expect(await shareOfFlops(adapted)).toBeCloseTo(flops, 5);
    // Frozen: nothing but maskers is different.
    for (const [i, { branch }] of blocksOf(adapted).entries()) {
      expect(branch).toEqual(blocksOf(network)[i]!.branch);
    }
  });

  it.each(['nearest', 'half-pixel'] as const)(
    'pass gradients through joined maps, %s',
    async (interpolation) => {
      // Products would make all values too small to learn from.
      const network = withJoins(small({ seed: 2 }), interpolation, false);
      const many = spots(24, 20);
      const { network: fitted } = await fitMaskers(network, many, { flopsTarget: 0.6, granularity: 2 });
      const { network: adapted, kept } = await adaptMaskers(network, many, {
        ...{ flops: 0.6, steps: 60, batch: 4, granularity: 2, threads: 2 },
      });
      expect(kept.divergence).toBeLessThan(kept.fitted);
      expect(kept.step).toBeGreaterThan(0);
      // Those before the joins as well as those behind them.
      const [before, after] = [fitted, adapted].map(blocksOf);
      for (const [i, { masker }] of after!.entries())
        expect(directions(masker!.weight), `block ${i}`).not.toEqual(directions(before![i]!.masker!.weight));
      expect(await shareOfFlops(adapted)).toBeLessThan(0.65);
    },
  );

  it.each([1, 2, 3])(
    'are closer to the dense network than fitted ones, norms still more (network %i)',
    async (seed) => {
      const many = spots(24, 20);
      const adapted = async (tune: 'maskers' | 'norms') =>
        (
          await adaptMaskers(small({ seed }), many, {
            ...{ flops: 0.6, steps: 60, batch: 4, granularity: 2, threads: 2, tune },
          })
        ).kept;
      const [maskers, norms] = [await adapted('maskers'), await adapted('norms')];
      expect(maskers.heldBack).toBe(5);
      expect(norms.fitted).toBe(maskers.fitted);
      expect(maskers.step).toBeGreaterThan(0);
      expect(maskers.divergence).toBeLessThan(0.6 * maskers.fitted);
      expect(norms.divergence).toBeLessThan(0.8 * norms.fitted);
    },
  );

  it('are far closer than random ones on images of a trained network that nothing was learned from', async () => {
    const network = await loadShippedModel();
    const { height } = network.inputShape;
    const seen = imagesOf(await generateDataset({ seed: 5, count: 12, size: height }), 12);
    const unseen = imagesOf(await generateDataset({ seed: 6, count: 12, size: height }), 12);
    const { network: adapted, kept } = await adaptMaskers(network, seen, {
      ...{ granularity: [4, 2, 1, 1], threads: 2, flops: 0.6, steps: 40, batch: 4 },
    });
    expect(kept.divergence).toBeLessThanOrEqual(kept.fitted);
    // Random masks that leave more FLOPs.
    const random = { masker: 'random', rate: 0.45 } as const;
    expect(await shareOfFlops(network, unseen, random)).toBeGreaterThan(await shareOfFlops(adapted, unseen));
    expect(await distance(adapted, unseen)).toBeLessThan(0.3 * (await distance(network, unseen, random)));
    expect(await shareOfFlops(adapted, unseen)).toBeLessThan(0.68);
  }, 240_000);

  it('are the fitted ones where learning made nothing better', async () => {
    const network = small();
    const options = { flops: 0.6, batch: 4, granularity: 2, threads: 2 };
    // So fast that the masks are thrown about.
    const { network: adapted, kept } = await adaptMaskers(network, images, {
      ...options,
      steps: 40,
      rate: 10,
    });
    expect(kept.step).toBe(0);
    expect(kept.divergence).toBe(kept.fitted);
    // A step that changes next to nothing leaves the fitted maskers too.
    const { network: fitted } = await adaptMaskers(network, images, { ...options, steps: 1, rate: 1e-9 });
    const masksOf = async (of: Network) => (await run(of, images, { masker: 'learned' })).masks;
    expect((await masksOf(adapted)).map(({ cells }) => cells)).toEqual(
      (await masksOf(fitted)).map(({ cells }) => cells),
    );
  });

  it('are the same when a run is stopped while its state is judged, which the next run does', async () => {
    const network = small();
    const checkpoint = join(folder, 'judged.state');
    const options = { flops: 0.7, steps: 40, batch: 4, granularity: 2, threads: 2, checkpoint };
    const judge = Judge.prototype.consider;
    let stop = new AbortController();
    let [stopAt, judged] = [Number.NaN, [] as number[]];
    const consider = vi.spyOn(Judge.prototype, 'consider').mockImplementation(function (this: Judge, state) {
      judged.push(state.step);
      if (state.step === stopAt) stop.abort();
      return judge.call(this, state);
    });
    const adapted = async () => {
      [stop, judged] = [new AbortController(), []];
      const result = await adaptMaskers(network, images, { ...options, signal: stop.signal });
      rmSync(checkpoint);
      return { kept: result.kept, maskers: blocksOf(result.network).map(({ masker }) => masker) };
    };
    const whole = await adapted();
    expect(judged).toEqual([0, 20, 40]);
    for (const [at, before, after] of [
      [20, [0, 20], [20, 40]],
      [40, [0, 20, 40], [40]],
    ] as const) {
      stopAt = at;
      await expect(adapted()).rejects.toMatchObject({
        code: 'aborted',
        message: `adaptation was aborted after step ${at} of 40; ${checkpoint} holds where it stood`,
      });
      expect(judged).toEqual(before);
      stopAt = Number.NaN;
      expect(await adapted()).toEqual(whole);
      expect(judged).toEqual(after);
    }
    consider.mockRestore();
  });

  it('are learned by one run at a time that keeps its state in a file, and stop with the cell around them', async () => {
    const network = small();
    const checkpoint = join(folder, 'shared.state');
    const options = { flops: 0.7, steps: 1, batch: 4, granularity: 2, threads: 2, checkpoint };
    const begin = () => adaptMaskers(network, images, options);
    const outcomes = await Promise.allSettled([begin(), begin()]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: {
        code: 'bad-argument',
        message: `a run that keeps its state in ${checkpoint} is under way in process ${process.pid}; one at a time is accepted`,
      },
    });
    const place = globalThis as { [key: symbol]: unknown };
    place[Symbol.for('fovea.signal')] = AbortSignal.abort();
    try {
      rmSync(checkpoint);
      await expect(begin()).rejects.toMatchObject({ code: 'aborted' });
    } finally {
      delete place[Symbol.for('fovea.signal')];
    }
    expect(existsSync(`${checkpoint}.lock`)).toBe(false);
  });

  it('go on from a checkpoint to the same masks', async () => {
    const network = small();
    const options = { flops: 0.7, steps: 60, batch: 4, granularity: 2, threads: 2, saveEvery: 1 };
    const whole = await adaptMaskers(network, images, options);
    const checkpoint = join(folder, 'run.state');
    const abort = new AbortController();
    const watch = setInterval(() => existsSync(checkpoint) && abort.abort(), 1);
    await expect(
      adaptMaskers(network, images, { ...options, checkpoint, signal: abort.signal }),
    ).rejects.toMatchObject({ code: 'aborted' });
    clearInterval(watch);
    const seen: AdaptProgress[] = [];
    const rest = await adaptMaskers(network, images, {
      ...options,
      checkpoint,
      onProgress: (progress) => seen.push(progress),
    });
    // Nothing is fitted a second time.
    expect(seen.map(({ phase }) => phase)).not.toContain('fit');
    expect(blocksOf(rest.network).map(({ masker }) => masker)).toEqual(
      blocksOf(whole.network).map(({ masker }) => masker),
    );
    expect(rest.kept).toEqual(whole.kept);
    await expect(adaptMaskers(network, images, { ...options, flops: 0.5, checkpoint })).rejects.toThrow(
      /another run: flops was 0.7, is 0.5/,
    );
    // The same name, but other weights; as many images, but others; the same, but normalised otherwise.
    await expect(adaptMaskers(small({ seed: 9 }), images, { ...options, checkpoint })).rejects.toThrow(
      /another run: weights was/,
    );
    const others = spots(12, 20);
    others.data[0]! += 1;
    await expect(adaptMaskers(network, others, { ...options, checkpoint })).rejects.toThrow(
      /another run: pixels was/,
    );
    await expect(
      adaptMaskers(network, images, { ...options, mean: [0.5, 0.5, 0.5], checkpoint }),
    ).rejects.toThrow(/another run: mean was undefined, is \[0.5,0.5,0.5\]/);
  });

  it('are saved as soon as they are fitted, and after a minute however long steps take', async () => {
    const network = small();
    const checkpoint = join(folder, 'killed.state');
    const options = { flops: 0.7, steps: 6, batch: 4, granularity: 2, threads: 2, saveEvery: 1000 };
    const whole = await adaptMaskers(network, images, options);
    const clock = vi.spyOn(performance, 'now');
    let now = 0;
    clock.mockImplementation(() => (now += 25_000));
    const states: Uint8Array[] = [];
    const collect = () => {
      if (!existsSync(checkpoint)) return;
      const state = readFileSync(checkpoint);
      if (states.length === 0 || !state.equals(states.at(-1)!)) states.push(state);
    };
    const onProgress = ({ phase }: AdaptProgress) => {
      if (phase === 'fit') expect(existsSync(checkpoint)).toBe(false);
      else collect();
    };
    await adaptMaskers(network, images, { ...options, checkpoint, onProgress });
    clock.mockRestore();
    // That of the fit, and one along the way.
    expect(states.length).toBeGreaterThanOrEqual(2);
    // A run that was killed at any of them goes on to the same end.
    for (const state of states) {
      writeFileSync(checkpoint, state);
      const phases: string[] = [];
      const rest = await adaptMaskers(network, images, {
        ...{ ...options, checkpoint },
        onProgress: ({ phase }) => phases.push(phase),
      });
      expect(phases).not.toContain('fit');
      expect(blocksOf(rest.network).map(({ masker }) => masker)).toEqual(
        blocksOf(whole.network).map(({ masker }) => masker),
      );
    }
  });

  it('take scales and shifts along when norms are tuned', async () => {
    const network = small();
    const { network: tuned } = await adaptMaskers(network, images, {
      ...{ flops: 0.6, steps: 20, batch: 4, granularity: 2, threads: 2, tune: 'norms' },
    });
    const bias = (of: Network) => blocksOf(of).at(-1)!.branch[0]!.bias;
    expect(bias(tuned)).not.toEqual(bias(network));
    expect(await shareOfFlops(tuned)).toBeCloseTo(0.6, 1);
  });

  it('learn on photographs for a network of grey images', async () => {
    const photos = [60, 120, 180].map((value) => ({
      ...{ width: 24, height: 24 },
      data: Uint8Array.from({ length: 24 * 24 * 3 }, (_, i) => value + (i % 7)),
    }));
    const grey = small({ imageChannels: 1 });
    const { network, kept } = await adaptMaskers(grey, photos, {
      ...{ flops: 0.7, steps: 3, batch: 2, granularity: 2, threads: 2 },
    });
    expect(kept.heldBack).toBe(0);
    const adaptive = blocksOf(network).filter((block) => block.adaptive);
    expect(adaptive.every(({ masker }) => masker)).toBe(true);
  });

  it('refuse what cannot be adapted', async () => {
    await expect(adaptMaskers(small(), images, { flops: 1 })).rejects.toThrow(/flops 1/);
    await expect(adaptMaskers(small({ strides: [] }), images)).rejects.toThrow(/no residual block/);
    await expect(adaptMaskers(small(), images, { flops: 0.01, steps: 1 })).rejects.toThrow(/FLOPs target/);
    await expect(adaptMaskers(small(), [], {})).rejects.toThrow(/no photographs/);
    const four = small({ imageChannels: 4 });
    await expect(adaptMaskers(four, [])).rejects.toThrow(/takes 4 channels; images have 3, or 1/);
    await expect(adaptMaskers(small({ imageChannels: 1 }), images)).rejects.toThrow(/images of 3 were given/);
  });
});
