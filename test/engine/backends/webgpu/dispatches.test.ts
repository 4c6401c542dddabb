import { builtNetwork, learnedMasker, type Network, saliencyMasker } from '@fovea/engine';
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

  it('compiles for each dispatch the activation that it applies, and no other', () => {
    const network = smallNetwork({ excite: true });
    const { passes } = encodeProgram(
      programOf(network, { strategy: 'unfused', masker: learnedMasker(), granularity: 2 }),
    );
    const kernels = passes.flatMap(({ launches }) => launches.map(({ kernel }) => kernel));
    const sources = new Map(kernels.map(({ name, code }) => [name, code]));
    // A name stands for one source: pipelines are kept by it.
    for (const { name, code } of kernels) expect(code).toBe(sources.get(name));
    const scales = sources.get('scales relu sigmoid matrix')!;
    expect(scales).toContain('fn reduced(v: vec4f) -> vec4f { return max(v, vec4f(0)); }');
    expect(scales).toContain('fn gated(v: vec4f) -> vec4f { return sigmoid(v); }');
    for (const [name, code] of sources) {
      expect(code).not.toMatch(/erf|tanh|switch/i);
      expect(code.includes('fn sigmoid')).toBe(name.includes('sigmoid'));
      expect(code.includes('max(v, vec4f(0))')).toBe(name.includes('relu'));
    }
  });

  it('gives one kernel to leaky ReLUs of all slopes', () => {
    const network: Network = {
      ...{ name: 'leaky', format: 'built', input: 'x', output: 'z', notes: [] },
      inputShape: { channels: 3, height: 2, width: 2 },
      nodes: [
        { kind: 'activation', name: 'a', inputs: ['x'], output: 'y', activation: 'leaky-relu 0.1' },
        { kind: 'activation', name: 'b', inputs: ['y'], output: 'z', activation: 'leaky-relu 0.2' },
      ],
    };
    const { passes } = encodeProgram(programOf(network, { strategy: 'dense' }));
    const launches = passes.flatMap((pass) => pass.launches);
    const [first, second] = launches;
    expect(first!.kernel).toEqual(second!.kernel);
    expect(first!.parameters.activatedSlope).not.toBe(second!.parameters.activatedSlope);
  });

  it('gathers, convolves, scatters and adds in the dispatches of the convolutions, over one list a region', () => {
    const network = builtNetwork('resnet50');
    const program = programOf(network, { strategy: 'streamed', masker: saliencyMasker(0.5), granularity: 7 });
    const { passes, lists } = encodeProgram(program);
    // A block's branch from its first convolution to the addition, and the pool for the next block behind it.
    const branches = passes
      .map(({ launches }) => launches.map(({ kernel }) => kernel.name.replace(/ \d+x\d+/, '')))
      .filter((names) => names.length > 2 && names[0] === 'gemm none relu');
    expect(branches.length).toBe(16);
    for (const [conv1, conv2, conv3, ...pool] of branches) {
      expect([conv1, conv2, conv3]).toEqual(['gemm none relu', 'gemm none relu', 'gemm overwritten relu']);
      expect(pool.filter((name) => !name.startsWith('mean'))).toEqual([]);
    }
    // Convolutions of a block at the same pixels read one list: a mask has no more than it has regions and cells.
    expect(lists.counted.length).toBeLessThanOrEqual(2 * program.masks.length + program.halos.length);
    const indexing = passes.flatMap(({ launches }) =>
      launches.filter(({ kernel }) => kernel.name === 'index'),
    );
    expect(indexing.length).toBe(program.masks.length);
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
