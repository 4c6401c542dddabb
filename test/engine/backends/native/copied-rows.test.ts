import { builtNetwork, randomMasker, run } from '@fovea/engine';
import { nativeBackend } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { NetworkBuilder } from '../../../../engine/src/network/built/layers.js';
import type { Network } from '../../../../engine/src/network/network.js';
import { randomImages } from '../../support/small-network.js';

const native = it.skipIf(nativeBackend.unavailable !== undefined);

/** Bottlenecks on maps whose rows are a multiple of 4,096 bytes apart, the first with a stride of 2 on 512 channels. */
function wide(): Network {
  const build = new NetworkBuilder('wide', { seed: 3, inputSize: 22 }, 2);
  build.dense(build.convolution('stem', 3, 512, { kernel: 3, activation: 'relu' }));
  [512, 1024].forEach((channels, stage) => {
    const [name, stride] = [`${stage}`, stage === 0 ? 2 : 1];
    build.block({
      stage,
      name,
      kind: 'bottleneck',
      branch: [
        build.convolution(`${name}.conv1`, channels, 136, { activation: 'relu' }),
        build.convolution(`${name}.conv2`, 136, 136, { kernel: 3, stride, activation: 'relu' }),
        build.convolution(`${name}.conv3`, 136, 1024, { gain: 0.25 }),
      ],
      ...(stride === 2
        ? { projection: build.convolution(`${name}.projection`, channels, 1024, { stride }) }
        : {}),
      activation: 'relu',
      adaptive: true,
    });
  });
  build.head('avgpool', 'fc', 1024, 10);
  return build.finish();
}

describe('convolutions that copy rows out of each other’s way (skipped where no addon was built)', () => {
  const network = wide();
  const input = randomImages(network, 2);
  for (const strategy of ['dense', 'unfused', 'lasnet', 'streamed']) {
    for (const rate of strategy === 'dense' ? [1] : [0.1, 0.6]) {
      native(`agree with plain loops, ${strategy} at ${rate}`, async () => {
        const options = { strategy, granularity: 3, masker: randomMasker(rate, 4) };
        const plain = await run(network, input, { ...options, backend: 'reference' });
        const largest = plain.output.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        for (const threads of [1, 2, 3]) {
          const fast = await run(network, input, { ...options, backend: 'native', threads });
          const off = plain.output.data.reduce(
            (most, value, i) => Math.max(most, Math.abs(value - fast.output.data[i]!)),
            0,
          );
          expect(off / largest, `${threads} threads`).toBeLessThan(1e-4);
        }
      });
    }
  }

  it('stand in networks that people use', () => {
    const channels = builtNetwork('resnet50').nodes.flatMap((node) =>
      node.kind === 'block' ? node.block.branch[0]!.inChannels : [],
    );
    expect(channels.filter((count) => count % 1024 === 0)).toHaveLength(8);
  });
});
