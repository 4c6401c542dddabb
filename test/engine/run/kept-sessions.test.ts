import { releaseNetwork, run } from '@fovea/engine';
import type { Backend } from '@fovea/engine/backend';
import { getBackend } from '@fovea/engine/backend';
import { expect, it } from 'vitest';
import { randomImages, smallNetwork } from '../support/small-network.js';

/** The reference backend, whose opening fails where `fails` says and when the test does; and what was disposed of. */
function slowBackend(fails: (batch: number, attempt: number) => boolean) {
  const disposed: number[] = [];
  let fail: () => void = () => undefined;
  const failing = new Promise<void>((resolve) => {
    fail = resolve;
  });
  const attempts = new Map<number, number>();
  const backend: Backend = {
    name: 'slow',
    async open(network, shape) {
      const attempt = (attempts.get(shape.batch) ?? 0) + 1;
      attempts.set(shape.batch, attempt);
      if (fails(shape.batch, attempt)) {
        await failing;
        throw new Error('no memory');
      }
      const session = await getBackend('reference').open(network, shape);
      return {
        run: (input, options) => session.run(input, options),
        dispose() {
          disposed.push(shape.batch);
          session.dispose();
        },
      };
    },
  };
  return { backend, disposed, fail };
}

it('a network is released whole, also while a session of it fails to open', async () => {
  const network = smallNetwork();
  const { backend, disposed, fail } = slowBackend((batch) => batch === 2);
  const failing = run(network, randomImages(network, 2), { backend, threads: 1 });
  const failed = expect(failing).rejects.toThrow('no memory');
  await run(network, randomImages(network, 1), { backend, threads: 1 });
  const released = releaseNetwork(network);
  fail();
  await released;
  expect(disposed).toEqual([1]);
  await failed;
});

it('a session that fails to open after it was given up takes none with it that was opened since', async () => {
  const network = smallNetwork();
  const { backend, disposed, fail } = slowBackend((batch, attempt) => batch === 1 && attempt === 1);
  const of = (batch: number) => run(network, randomImages(network, batch), { backend, threads: 1 });
  const failed = expect(of(1)).rejects.toThrow('no memory');
  // Released before it has failed, and opened again.
  const released = releaseNetwork(network);
  await of(1);
  fail();
  await failed;
  await released;
  await releaseNetwork(network);
  expect(disposed).toEqual([1]);
});

it('sessions in use are kept for those that come later, and four shapes when none is', async () => {
  const network = smallNetwork();
  const { backend, disposed } = slowBackend(() => false);
  const of = (batch: number) => run(network, randomImages(network, batch), { backend, threads: 1 });
  await Promise.all([1, 2, 3, 4, 5, 6].flatMap((batch) => [of(batch), of(batch)]));
  expect(disposed).toHaveLength(2);
  await of(disposed[0]!);
  expect(disposed).toHaveLength(3);
  await releaseNetwork(network);
  expect(disposed).toHaveLength(7);
});
