import { makePlan, type Network, randomMasker, run, type Tensor } from '@fovea/engine';
import { type Backend, getBackend, referenceBackend } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { usingNetwork } from '../../../engine/src/run/sessions.js';
import { backends } from '../support/backends.js';
import { randomImages, smallNetwork } from '../support/small-network.js';

describe.each(backends)('sessions of $name', ({ name: backend, missing }) => {
  const there = it.skipIf(missing !== undefined);

  there('that give way to other shapes finish the runs they were asked for', async () => {
    const network = smallNetwork();
    const shapes = [1, 2, 3, 4, 5, 6].map((batch) => randomImages(network, batch));
    const options = { backend, masker: 'learned' as const, threads: 1 };
    const alone: Tensor[] = [];
    for (const images of shapes) alone.push((await run(smallNetwork(), images, options)).output);
    const together = await Promise.all([...shapes, ...shapes].map((images) => run(network, images, options)));
    together.forEach(({ output }, i) => {
      expect(output.data).toEqual(alone[i % shapes.length]!.data);
    });
  });

  there('may be disposed of while they run, and aborted after that', async () => {
    const network = smallNetwork({ height: 120, mapWidth: 100 });
    const images = randomImages(network);
    const [batch, height, width] = images.shape;
    const plan = makePlan(network);
    const maskers = plan.blocks.map(() => randomMasker(0.5));
    const session = await getBackend(backend).open(network, { batch, height, width });
    const controller = new AbortController();
    const runs = [undefined, controller.signal].map((signal) =>
      session.run(images, { plan, maskers, threads: 1, ...(signal ? { signal } : {}) }),
    );
    session.dispose();
    expect((await runs[0]!).output.shape).toEqual([1, 1, 1, 10]);
    controller.abort();
    await expect(runs[1]).rejects.toMatchObject({ code: 'aborted' });
  });
});

it('sessions of a network that is used once are disposed of, also when its use fails', async () => {
  let disposed = 0;
  const counting: Backend = {
    name: 'counting',
    async open(network, shape) {
      const session = await referenceBackend.open(network, shape);
      return { run: session.run.bind(session), dispose: () => void disposed++ };
    },
  };
  const use = (network: Network) =>
    run(network, randomImages(network), { backend: counting, masker: 'random', rate: 0.5 });
  expect((await usingNetwork(smallNetwork(), use)).output.shape).toEqual([1, 1, 1, 10]);
  expect(disposed).toBe(1);
  const failing = usingNetwork(smallNetwork(), async (network) => {
    await use(network);
    throw new Error('no more');
  });
  await expect(failing).rejects.toThrow('no more');
  expect(disposed).toBe(2);
});
