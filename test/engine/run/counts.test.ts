import { type NetworkRunOptions, randomMasker, run } from '@fovea/engine';
import { getBackend, nativeBackend } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { randomImages, smallNetwork } from '../support/small-network.js';

const native = it.skipIf(nativeBackend.unavailable !== undefined);

describe('FLOPs and bytes', () => {
  const networks = {
    bottleneck: smallNetwork(),
    basic: smallNetwork({ kind: 'basic' }),
    inverted: smallNetwork({ kind: 'inverted', excite: true }),
  };
  for (const [name, network] of Object.entries(networks)) {
    for (const strategy of ['dense', 'unfused', 'lasnet', 'streamed']) {
      native(`are the same for the same program in every pass: ${name}, ${strategy}`, async () => {
        const images = randomImages(network, 2);
        for (const masker of ['learned', randomMasker(0.4), randomMasker(0), randomMasker(1)] as const) {
          const options: NetworkRunOptions = { strategy, masker, granularity: 3, threads: 1 };
          const [a, b, c] = await Promise.all(
            ['native', 'reference', 'onnx'].map(async (backend) => {
              const { profile } = await run(network, images, { ...options, backend: getBackend(backend) });
              return profile.ops.map(({ name: op, flops, bytes }) => ({
                op,
                flops: Math.round(flops),
                bytes: Math.round(bytes),
              }));
            }),
          );
          expect(a).toEqual(b);
          expect(c).toEqual(b);
        }
      });
    }
  }
});
