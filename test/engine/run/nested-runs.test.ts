import {
  customMasker,
  learnedMasker,
  type Masker,
  makePlan,
  releaseNetwork,
  run,
  type Tensor,
} from '@fovea/engine';
import { type Backend, getBackend } from '@fovea/engine/backend';
import { afterEach, describe, expect, it } from 'vitest';
import { backends } from '../support/backends.js';
import { randomImages, smallNetwork } from '../support/small-network.js';

const network = smallNetwork({ height: 8, mapWidth: 8, strides: [1] });
const images = randomImages(network);
afterEach(() => releaseNetwork(network));

/** Cells of block 0 that follow from an output: of another output, others. */
const cellsOf = ({ data }: Tensor, count: number) =>
  Array.from({ length: count }, (_, i) => data[i % data.length]! > 0);

/** A masker that runs the network itself, with a masker of the same kind, `depth` runs in all. */
function nested(backend: string | Backend, depth: number, signal?: AbortSignal): Masker {
  return customMasker(async ({ batch, rows, columns }) => {
    const masker = depth > 1 ? nested(backend, depth - 1, signal) : ('learned' as const);
    const { output } = await run(network, images, {
      backend,
      masker,
      threads: 1,
      ...(signal ? { signal } : {}),
    });
    return cellsOf(output, batch * rows * columns);
  });
}

/** The same, one run after the other. */
async function unrolled(backend: string, depth: number): Promise<Tensor> {
  let { output } = await run(network, images, { backend, masker: 'learned', threads: 1 });
  for (let level = 0; level < depth; level++) {
    const before = output;
    const masker = customMasker(({ batch, rows, columns }) => cellsOf(before, batch * rows * columns));
    ({ output } = await run(network, images, { backend, masker, threads: 1 }));
  }
  return output;
}

/** Sessions of the reference backend, counted. */
function counting() {
  const counts = { open: 0, most: 0 };
  const backend: Backend = {
    name: 'counting',
    async open(network, shape) {
      const session = await getBackend('reference').open(network, shape);
      counts.most = Math.max(counts.most, ++counts.open);
      return {
        run: (input, options) => session.run(input, options),
        dispose() {
          counts.open--;
          session.dispose();
        },
      };
    },
  };
  return { backend, counts };
}

describe.each(backends)('maskers that run their own network on $name', ({ name: backend, missing }) => {
  const there = it.skipIf(missing !== undefined);

  there.each([2, 3, 4, 5, 6])('inside each other, %i deep', async (depth) => {
    const { output } = await run(network, images, { backend, masker: nested(backend, depth), threads: 1 });
    expect(output.data).toEqual((await unrolled(backend, depth)).data);
  });

  there('at many depths at once', async () => {
    const depths = [0, 6, 2, 5, 0, 3, 4, 6, 5, 1, 6, 2];
    const together = await Promise.all(
      depths.map((depth) =>
        run(network, images, { backend, masker: depth > 0 ? nested(backend, depth) : 'learned', threads: 1 }),
      ),
    );
    for (const [i, depth] of depths.entries())
      expect(together[i]!.output.data).toEqual((await unrolled(backend, depth)).data);
  });

  there('as two networks whose maskers run each other', async () => {
    const other = smallNetwork({ seed: 2, height: 8, mapWidth: 8, strides: [1] });
    const asking = (asked: typeof network) =>
      customMasker(async ({ batch, rows, columns }) => {
        const { output } = await run(asked, images, { backend, masker: 'learned', threads: 1 });
        return cellsOf(output, batch * rows * columns);
      });
    const runs = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        i % 2 === 0
          ? run(network, images, { backend, masker: asking(other), threads: 1 })
          : run(other, images, { backend, masker: asking(network), threads: 1 }),
      ),
    );
    for (const [i, { output }] of runs.entries()) expect(output.data).toEqual(runs[i % 2]!.output.data);
    await releaseNetwork(other);
  });

  there('without an end are told so', async () => {
    const endless: Masker = customMasker(async ({ batch, rows, columns }) => {
      const { output } = await run(network, images, { backend, masker: endless, threads: 1 });
      return cellsOf(output, batch * rows * columns);
    });
    await expect(run(network, images, { backend, masker: endless, threads: 1 })).rejects.toMatchObject({
      code: 'bad-argument',
      message: expect.stringContaining('at most 8 are accepted'),
    });
  });

  there('on the session that asks them are refused', async () => {
    const [batch, height, width] = images.shape;
    const session = await getBackend(backend).open(network, { batch, height, width });
    const { plan, maskers } = plain();
    const own = customMasker(async () => {
      await new Promise((resolve) => setTimeout(resolve));
      return cellsOf((await session.run(images, { plan, maskers, threads: 1 })).output, 1);
    });
    await expect(session.run(images, { plan, maskers: [own], threads: 1 })).rejects.toMatchObject({
      code: 'bad-argument',
      message: expect.stringContaining('would wait for ever'),
    });
    // The session is as good as before.
    await session.run(images, { plan, maskers, threads: 1 });
    session.dispose();
  });

  there('are aborted, also while they wait for their turn', async () => {
    const controller = new AbortController();
    let asked: () => void = () => undefined;
    const asking = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const silent = customMasker(() => {
      asked();
      return new Promise<boolean[]>(() => undefined);
    });
    const [batch, height, width] = images.shape;
    const session = await getBackend(backend).open(network, { batch, height, width });
    const { plan, maskers } = plain();
    const { signal } = controller;
    const first = session.run(images, { plan, maskers: [silent], threads: 1, signal });
    const later = new AbortController();
    const second = session.run(images, { plan, maskers, threads: 1, signal: later.signal });
    const third = session.run(images, { plan, maskers, threads: 1 });
    await asking;
    later.abort();
    await expect(second).rejects.toMatchObject({ code: 'aborted' });
    controller.abort();
    await expect(first).rejects.toMatchObject({ code: 'aborted' });
    expect((await third).output.shape).toEqual([1, 1, 1, 10]);
    session.dispose();
  });

  there('are aborted six deep, and leave the network usable', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const runs = [1, 2, 3].map(() =>
      run(network, images, { backend, masker: nested(backend, 6, signal), threads: 1, signal }),
    );
    setTimeout(() => controller.abort(), 5);
    for (const result of await Promise.allSettled(runs))
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'aborted' });
    const { output } = await run(network, images, { backend, masker: nested(backend, 3), threads: 1 });
    expect(output.data).toEqual((await unrolled(backend, 3)).data);
  });
});

function plain() {
  const plan = makePlan(network);
  return { plan, maskers: plan.blocks.map(() => learnedMasker()) };
}

it('runs of one shape share at most four sessions, however many there are', async () => {
  const { backend, counts } = counting();
  const slow = customMasker(async ({ batch, rows, columns }) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return new Array<boolean>(batch * rows * columns).fill(true);
  });
  await Promise.all(
    Array.from({ length: 40 }, () => run(network, images, { backend, masker: slow, threads: 1 })),
  );
  expect(counts.most).toBeLessThanOrEqual(4);
});

it('nested runs keep as few sessions as others once they have ended', async () => {
  const { backend, counts } = counting();
  await Promise.all(
    [6, 6, 6].map((depth) => run(network, images, { backend, masker: nested(backend, depth), threads: 1 })),
  );
  await new Promise((resolve) => setTimeout(resolve));
  expect(counts.open).toBe(4);
});

it('a masker may wait for a run that was started outside of it', async () => {
  for (const { name: backend, missing } of backends) {
    if (missing !== undefined) continue;
    let give: (output: Tensor) => void = () => undefined;
    const given = new Promise<Tensor>((resolve) => {
      give = resolve;
    });
    const waiting = customMasker(async ({ batch, rows, columns }) =>
      cellsOf(await given, batch * rows * columns),
    );
    const adaptive = run(network, images, { backend, masker: waiting, threads: 1 });
    // Asked for before the masker is asked.
    give((await run(network, images, { backend, masker: 'learned', threads: 1 })).output);
    expect((await adaptive).output.shape).toEqual([1, 1, 1, 10]);
  }
});
