import { builtNetwork, learnedMasker, saliencyMasker } from '@fovea/engine';
import { type Operation, programOf } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { encodeProgram } from '../../../../engine/src/backends/webgpu/encode.js';
import { smallNetwork } from '../../support/small-network.js';

const strategies = ['dense', 'unfused', 'lasnet', 'streamed'] as const;

/** Dispatches that an operation takes. */
function expectedDispatches({ kind }: Operation): number {
  // A mask's lists and the dispatch sizes that follow from them; pool, two linear layers and scale.
  return kind === 'index' ? 2 : kind === 'excite' ? 3 : 1;
}

describe('a program on the GPU', () => {
  it.each(strategies)('is one dispatch an operation and three a mask, %s', (strategy) => {
    for (const [network, masker] of [
      [builtNetwork('resnet50'), saliencyMasker(0.5)],
      [builtNetwork('mobilenet_v2'), saliencyMasker(0.5)],
      [smallNetwork({ excite: true }), learnedMasker()],
    ] as const) {
      const program = programOf(network, { strategy, masker, granularity: 2, excitation: 'active' });
      const { passes, stops } = encodeProgram(program);
      expect(stops).toEqual([]);
      expect(passes.map(({ launches }) => launches.length)).toEqual(
        program.steps.map(({ operations }) =>
          operations.map(expectedDispatches).reduce((sum, count) => sum + count, 0),
        ),
      );
      const ofMasks = program.steps
        .flatMap(({ operations }) => operations)
        .filter(({ kind }) => kind === 'decide' || kind === 'index')
        .reduce((sum, operation) => sum + expectedDispatches(operation), 0);
      expect(ofMasks).toBe(3 * program.masks.length);
    }
  });

  it('takes its number of workgroups from the list wherever it follows a mask', () => {
    const program = programOf(builtNetwork('resnet50'), {
      strategy: 'lasnet',
      masker: saliencyMasker(0.5),
      granularity: 7,
    });
    const { passes } = encodeProgram(program);
    const followers = program.steps.flatMap(({ operations }, at) =>
      operations.flatMap((operation, i) =>
        operation.kind === 'convolve' && operation.region ? [passes[at]!.launches[i]!] : [],
      ),
    );
    expect(followers.length).toBeGreaterThan(30);
    for (const { workgroups } of followers) expect(workgroups).toHaveProperty('counter');
  });
});
