import { type Block, blocksOf, type Network, type NetworkRunOptions, Random, run } from '@fovea/engine';
import type { Attention, AttentionPool, NetworkNode } from '@fovea/engine/backend';
import { importOnnx, type OnnxOptions, openDense, toOnnx } from '@fovea/engine/onnx';
import { describe, expect, it } from 'vitest';
import { generate } from '../../differential/generate.js';
import { networkOf } from '../../differential/network.js';
import { randomConvolution, randomImages, relativeError, smallNetwork } from '../../support/small-network.js';

/** The network with each of its blocks changed. */
function withBlocks(network: Network, change: (block: Block) => Block): Network {
  const nodes = network.nodes.map(
    (node): NetworkNode => (node.kind === 'block' ? { ...node, block: change(node.block) } : node),
  );
  return { ...network, nodes };
}

/** Adaptive blocks without what a file does not hold: names, stages and weights. */
const forms = (network: Network) =>
  adaptiveBlocks(network).map(({ branch, projection, projectionPool, attention, activation }) => ({
    ...{ activation, projectionPool },
    layers: [...branch, projection, attention?.reduce, attention?.gate, attention?.spatial].map(
      (layer) =>
        layer && [
          layer.inChannels,
          layer.outChannels,
          layer.kernel,
          layer.stride,
          layer.groups,
          layer.activation,
        ],
    ),
    pools: attention && [attention.after, ...attention.pools],
  }));

/** What comes back of a file is the network: its blocks, masks and outputs, and onnxruntime's reading of it. */
async function comesBack(network: Network, options: OnnxOptions = {}): Promise<void> {
  const again = await importOnnx(toOnnx(network, { ...options, maskers: true }), 'again');
  expect(forms(again)).toEqual(forms(network));
  const images = randomImages(network, 2);
  const { height, width } = network.inputShape;
  const dense = await openDense(network, { batch: 2, height, width });
  const expected = await run(network, images, { backend: 'reference', strategy: 'dense' });
  expect(relativeError((await dense.run(images)).output.data, expected.output.data)).toBeLessThan(1e-4);
  await dense.dispose();
  const runs: NetworkRunOptions[] = [
    { masker: 'random', rate: 1, strategy: 'dense' },
    { masker: 'random', rate: 0.5, seed: 3 },
  ];
  if (adaptiveBlocks(network).every(({ masker }) => masker)) runs.push({ masker: 'learned' });
  for (const how of runs) {
    const before = await run(network, images, { ...how, backend: 'reference' });
    for (const backend of ['reference', 'native']) {
      const after = await run(again, images, { ...how, backend });
      expect(after.masks.map(({ cells }) => [...cells])).toEqual(before.masks.map(({ cells }) => [...cells]));
      expect(relativeError(after.output.data, before.output.data)).toBeLessThan(1e-4);
    }
  }
}

const adaptiveBlocks = (network: Network) => blocksOf(network).filter(({ adaptive }) => adaptive);

describe('a network that is written as ONNX and read again', () => {
  const ways: readonly OnnxOptions[] = [
    {},
    { batchNorm: { seed: 4 } },
    { size: 'dynamic', head: 'reshape' },
    { data: 'typed', constants: 'node' },
  ];
  it.each(Array.from({ length: 20 }, (_, seed) => seed))(
    'is the same: generated network %i',
    async (seed) => {
      const network = networkOf(generate(seed, { multiplyAdds: 2e7, sides: [16, 60], runs: 1 }));
      await comesBack(network, ways[seed % ways.length]);
    },
  );

  it('keeps a layer that an attention applies to both pools one, its batch norm unfolded', async () => {
    const network = smallNetwork({ excite: true, attention: 'pools' });
    await comesBack(network, { batchNorm: { seed: 3 } });
  });

  it.each([2, 4])('keeps pools before projections of %i groups', async (groups) => {
    const random = new Random(5);
    const network = smallNetwork({ pooledShortcut: true, channels: 12, height: 16, mapWidth: 20 });
    const grouped = withBlocks(network, (block) => {
      if (!block.projection) return block;
      const { inChannels, outChannels } = block.projection;
      return { ...block, projection: randomConvolution(random, 'p', inChannels, outChannels, { groups }) };
    });
    expect(blocksOf(grouped).filter(({ projection }) => projection?.groups === groups)).toHaveLength(2);
    await comesBack(grouped);
  });

  const pools: readonly (readonly AttentionPool[])[] = [['mean'], ['max'], ['mean', 'max']];
  it.each(
    pools.flatMap((of) =>
      (['matrix', 'two matrices', 'sliding', 'matrix and sliding'] as const).flatMap((gate) =>
        [false, true].map((pixels) => [of, gate, pixels] as const),
      ),
    ),
  )('keeps an attention of %j by a gate of %s, with pixels: %s', async (of, kind, pixels) => {
    const random = new Random(7);
    const network = smallNetwork({ excite: true, attention: pixels ? 'pixels' : 'squeeze', strides: [1, 2] });
    const line = smallNetwork({ excite: true, attention: 'slide' });
    const attended = withBlocks(network, (block) => {
      const { attention } = block;
      const channels = attention!.gate.outChannels;
      const layer = (name: string, from: number, to: number, activation: 'relu' | 'sigmoid') =>
        randomConvolution(random, `${block.name}.${name}`, from, to, { activation });
      const narrow = kind === 'two matrices' ? 4 : channels;
      const { reduce: _, ...rest } = attention!;
      const changed: Attention = {
        ...rest,
        pools: of,
        gate: kind.endsWith('sliding')
          ? { ...blocksOf(line)[0]!.attention!.gate, name: `${block.name}.gate` }
          : layer('gate', narrow, channels, 'sigmoid'),
        ...(kind === 'two matrices' || kind === 'matrix and sliding'
          ? { reduce: layer('reduce', channels, narrow, 'relu') }
          : {}),
      };
      return { ...block, attention: changed };
    });
    await comesBack(attended);
  });
});
