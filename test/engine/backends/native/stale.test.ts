import { run } from '@fovea/engine';
import { getBackend } from '@fovea/engine/backend';
import { expect, it, vi } from 'vitest';
import { randomImages, smallNetwork } from '../../support/small-network.js';

vi.mock('node:module', async (original) => {
  const actual = await original<typeof import('node:module')>();
  const createRequire = (from: string | URL) => {
    const require = actual.createRequire(from);
    // An addon as it was before addons had a version.
    return (name: string) => (name.endsWith('fovea.node') ? { inferRun: () => undefined } : require(name));
  };
  return { ...actual, createRequire, default: { ...actual, createRequire } };
});

it('refuses an addon that was built from other sources, and says what to do', async () => {
  const refusal = {
    code: 'backend-unavailable',
    message: expect.stringMatching(
      /built for another version of the engine \(1, not \d+\): run `npm run build`/,
    ),
  };
  expect(() => getBackend('native')).toThrow(expect.objectContaining(refusal));
  const network = smallNetwork();
  await expect(run(network, randomImages(network))).rejects.toMatchObject(refusal);
  const { output } = await run(network, randomImages(network), { backend: 'reference' });
  expect(output.shape).toEqual([1, 1, 1, 10]);
});
