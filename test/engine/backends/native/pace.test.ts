import { makePlan, randomMasker } from '@fovea/engine';
import { nativeBackend } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { builtResNet } from '../../../../engine/src/network/built/resnet.js';
import { randomImages } from '../../support/small-network.js';

const native = it.skipIf(nativeBackend.unavailable !== undefined);

describe('a run with its pace measured (skipped where no addon was built)', () => {
  const network = builtResNet({ depth: 18 });
  const input = randomImages({ ...network, inputShape: { channels: 3, height: 64, width: 64 } }, 1);
  const maskers = Array.from({ length: 8 }, () => randomMasker(0.5, 3));

  for (const strategy of ['dense', 'unfused', 'streamed']) {
    for (const threads of [1, 2]) {
      native(`reports it for every pass that ran, ${strategy}, ${threads} threads`, async () => {
        const session = await nativeBackend.open(network, { batch: 1, height: 64, width: 64 });
        try {
          const plan = makePlan(network, {
            strategy,
            granularity: 4,
            maskers,
            threads,
            height: 64,
            width: 64,
          });
          const plain = await session.run(input, { plan, maskers, threads });
          const paced = await session.run(input, { plan, maskers, threads, paced: true });
          const { ops, totalMs } = paced.profile;
          for (const { totalMs: ms, paceMs } of ops) {
            if (ms > 0) expect(paceMs).toBeGreaterThan(0);
            else expect(paceMs).toBe(0);
          }
          expect(ops.filter(({ paceMs = 0 }) => paceMs > 0).length).toBeGreaterThan(8);
          expect(ops.reduce((sum, op) => sum + op.totalMs, 0)).toBeLessThan(totalMs);
          // Nothing where the second thread found no core at that moment.
          const { handoverMs = threads - 1 && 1e-5 } = paced.profile;
          expect(handoverMs).toBeGreaterThanOrEqual(0);
          if (threads > 1) expect(handoverMs).toBeGreaterThan(1e-6);
          expect(handoverMs).toBeLessThan(1);
          expect(plain.profile.handoverMs).toBeUndefined();
          expect(paced.output.data).toEqual(plain.output.data);
          expect(plain.profile.ops.every(({ paceMs }) => paceMs === undefined)).toBe(true);
        } finally {
          session.dispose();
        }
      });
    }
  }
});
