import { customMasker, type FoveaError, makePlan, randomMasker, run } from '@fovea/engine';
import { getBackend, nativeBackend } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { builtMobileNetV2 } from '../../../../engine/src/network/built/mobilenet.js';
import { builtResNet } from '../../../../engine/src/network/built/resnet.js';
import { randomImages, relativeError, smallNetwork } from '../../support/small-network.js';

const missing = nativeBackend.unavailable !== undefined;
const native = it.skipIf(missing);
const bottleneck = { kind: 'bottleneck', groups: 1, excite: false, height: 15, mapWidth: 18 } as const;

describe('the native backend (skipped where no addon was built)', () => {
  native('keeps the event loop free and reports progress while it computes', async () => {
    const network = builtResNet({ depth: 50 });
    let turns = 0;
    const ticking = setInterval(() => turns++, 1);
    const fractions: number[] = [];
    await run(
      network,
      randomImages({ ...network, inputShape: { channels: 3, height: 160, width: 160 } }, 2),
      {
        backend: 'native',
        threads: 1,
        onProgress: (fraction) => fractions.push(fraction),
      },
    );
    clearInterval(ticking);
    expect(turns).toBeGreaterThan(10);
    expect(fractions.length).toBeGreaterThan(16);
    expect(fractions.at(-1)).toBe(1);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
  });

  native('keeps the event loop free while it packs weights', async () => {
    const network = builtResNet({ depth: 50 });
    let turns = 0;
    const turning = setInterval(() => turns++, 0);
    const session = await getBackend('native').open(network, { batch: 1, height: 64, width: 64 });
    clearInterval(turning);
    session.dispose();
    expect(turns).toBeGreaterThan(20);
  });

  native('frees sessions that nothing refers to: the garbage collector knows their size', async () => {
    const network = builtResNet({ depth: 18 });
    const side = 64;
    const image = randomImages({ ...network, inputShape: { channels: 3, height: side, width: side } }, 1);
    const plan = makePlan(network, { strategy: 'dense' });
    const maskers = plan.blocks.map(() => randomMasker(0.5));
    let [first, most] = [0, 0];
    for (let opened = 0; opened < 16; opened++) {
      const session = await getBackend('native').open(network, { batch: 1, height: side, width: side });
      await session.run(image, { plan, maskers, threads: 1 });
      const { rss } = process.memoryUsage();
      if (opened === 0) first = rss;
      most = Math.max(most, rss);
    }
    // One holds more than 90 MB: 11 million weights, and those that are transformed for Winograd's algorithm.
    expect(most - first).toBeLessThan(8 * 90e6);
  });

  native('stops when aborted, and runs again afterwards', async () => {
    const network = builtResNet({ depth: 18 });
    const images = randomImages({ ...network, inputShape: { channels: 3, height: 224, width: 224 } }, 8);
    const abort = new AbortController();
    const running = run(network, images, { backend: 'native', threads: 1, signal: abort.signal });
    setTimeout(() => abort.abort(), 20);
    await expect(running).rejects.toMatchObject({ code: 'aborted' } satisfies Partial<FoveaError>);
    const { output } = await run(network, images, { backend: 'native', threads: 2 });
    expect(output.data.every(Number.isFinite)).toBe(true);
  });

  native('gives the same bits for 1, 2 and 3 threads', async () => {
    const network = builtMobileNetV2();
    const images = randomImages({ ...network, inputShape: { channels: 3, height: 64, width: 48 } }, 2);
    const outputs = [];
    for (const threads of [1, 2, 3]) {
      outputs.push((await run(network, images, { backend: 'native', threads, granularity: 2 })).output.data);
    }
    expect(outputs[1]).toEqual(outputs[0]);
    expect(outputs[2]).toEqual(outputs[0]);
  });

  native('at rate 1 computes what dense execution computes', async () => {
    const network = smallNetwork({ ...bottleneck, strides: [1, 2, 1] });
    const images = randomImages(network, 2);
    const options = { backend: 'native', masker: randomMasker(1), granularity: 3 };
    const dense = await run(network, images, { ...options, strategy: 'dense' });
    for (const strategy of ['unfused', 'lasnet', 'streamed']) {
      const { output, profile } = await run(network, images, { ...options, strategy });
      expect(relativeError(output.data, dense.output.data), strategy).toBeLessThan(1e-5);
      expect(profile.flopsAvoided, strategy).toBeLessThanOrEqual(0);
    }
  });

  native('lets JavaScript decide between blocks, from the pooled input', async () => {
    const network = smallNetwork({ ...bottleneck, strides: [1, 1] });
    const images = randomImages(network, 1);
    const seen: number[] = [];
    const masker = customMasker(({ pooled, rows, columns }) => {
      seen.push(pooled.length);
      return Array.from({ length: rows * columns }, (_, cell) => cell % 2 === 0);
    });
    const options = { masker, granularity: 4 };
    const actual = await run(network, images, { ...options, backend: 'native' });
    const expected = await run(network, images, { ...options, backend: 'reference' });
    expect(seen.every((length) => length > 0)).toBe(true);
    expect(relativeError(actual.output.data, expected.output.data)).toBeLessThan(1e-4);
  });

  native('gives results that are plain data, and stay as they were when the network runs again', async () => {
    const network = smallNetwork({ ...bottleneck, strides: [1, 2] });
    const options = { backend: 'native', masker: 'random', granularity: 2, threads: 1 } as const;
    const first = await run(network, randomImages(network, 1), { ...options, rate: 0.5 });
    const second = await run(network, randomImages(network, 1), { ...options, rate: 0 });
    const copy = structuredClone({ ...first });
    expect(copy.profile).toEqual(first.profile);
    expect(copy.masks).toEqual(first.masks);
    expect(JSON.parse(JSON.stringify(first)).profile).toEqual(first.profile);
    expect(first.profile.blocks.map(({ rate }) => rate > 0)).toEqual([true, true]);
    expect(second.profile.blocks.map(({ rate }) => rate)).toEqual([0, 0]);
    expect(second.masks.flatMap(({ cells }) => [...cells]).every((cell) => cell === 0)).toBe(true);
  });

  native('follows options that change between runs of one network', async () => {
    const network = smallNetwork({ ...bottleneck, strides: [1, 2] });
    const images = randomImages(network, 1);
    const granularity = [2, 1];
    const options = { backend: 'native', masker: 'random', threads: 1, granularity } as const;
    const columns = async (rate: number) =>
      (await run(network, images, { ...options, rate })).masks.map((mask) => mask.columns);
    const before = await columns(0.5);
    granularity[0] = 4;
    const after = await columns(0.5);
    expect(after[0]).toBeLessThan(before[0]!);
    expect(after[1]).toBe(before[1]);
  });

  native('runs the pool and conv1 in one pass when the plan says so', async () => {
    const network = smallNetwork({ ...bottleneck, strides: [1, 1] });
    const { profile } = await run(network, randomImages(network, 1), {
      backend: 'native',
      strategy: 'lasnet',
      masker: 'saliency',
    });
    const pooled = profile.ops.find(({ primitives }) => primitives.includes('pool'));
    expect(pooled?.primitives).toContain('conv1');
    expect(pooled?.note).toBeUndefined();
    expect(profile.source).toMatch(/^native (avx512|avx2|neon|portable)$/);
  });

  native('refuses an input that is not finite, naming the value', async () => {
    const network = smallNetwork({ ...bottleneck, strides: [1] });
    const images = randomImages(network, 1);
    images.data[7] = Number.NaN;
    await expect(run(network, images, { backend: 'native' })).rejects.toThrow(/input value 7 is NaN/);
  });

  native('refuses a wrong input shape and a wrong number of threads, naming them', async () => {
    const network = smallNetwork({ ...bottleneck, strides: [1] });
    const images = randomImages(network, 1);
    const plan = makePlan(network);
    const maskers = plan.blocks.map(() => randomMasker(0.5));
    const [batch, height, width] = images.shape;
    const session = await getBackend('native').open(network, { batch, height: height + 1, width });
    await expect(session.run(images, { plan, maskers, threads: 1 })).rejects.toThrow(/session takes/);
    session.dispose();
    const fitting = await getBackend('native').open(network, { batch, height, width });
    await expect(fitting.run(images, { plan, maskers, threads: 0 })).rejects.toThrow(/threads 0/);
    fitting.dispose();
    await expect(fitting.run(images, { plan, maskers, threads: 1 })).rejects.toThrow(/disposed/);
  });
});
