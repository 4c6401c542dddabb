import { blocksOf, type Network, run } from '@fovea/engine';
import { networkShapes } from '@fovea/engine/backend';
import { openDense } from '@fovea/engine/onnx';
import { canTrain } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { interpolations } from '../../../engine/src/network/sampling.js';
import { emitNodes } from '../../../engine/src/train/adapt/emit-network.js';
import { LearnedValues } from '../../../engine/src/train/adapt/learned-values.js';
import { Tape, type Value } from '../../../engine/src/train/adapt/tape.js';
import { TrainProgram } from '../../../engine/src/train/train-program.js';
import { withAttention } from '../support/attending.js';
import { ATTENTION_KINDS } from '../support/attention.js';
import { convNext } from '../support/convnext.js';
import { withJoins } from '../support/joined-network.js';
import { withPools } from '../support/pooled-branches.js';
import { randomImages, relativeError, smallNetwork } from '../support/small-network.js';

/** A network whose blocks always run densely, projections or not. */
function neverMasked(network: Network): Network {
  const nodes = network.nodes.map((node) =>
    node.kind === 'block' ? { ...node, block: { ...node.block, adaptive: false } } : node,
  );
  return { ...network, nodes };
}

const images = randomImages(smallNetwork(), 2);
const [batch, height, width] = images.shape;

/** What `adapt` computes of a network without masks. */
async function forward(network: Network, keeps: boolean): Promise<Float32Array> {
  const tape = new Tape([], keeps);
  const values = new Map<string, Value>([
    [network.input, { array: images.data.slice(), shape: images.shape, learned: false }],
  ]);
  emitNodes(tape, network.nodes, values, {
    shapes: networkShapes(network, { batch, height, width }),
    learned: new LearnedValues([], []),
    settings: { gumbel: new Float32Array(2), random: new Uint32Array(2) },
    granularity: blocksOf(network).map(() => 1),
    training: false,
    masked: false,
    kept: new Set([network.output]),
  });
  await new TrainProgram(tape.ops).run(2, new Int32Array(1));
  const output = values.get(network.output)!;
  return output.array.slice(
    0,
    output.shape.reduce((product, extent) => product * extent),
  );
}

const networks: [string, Network][] = [
  ['bottlenecks', smallNetwork()],
  ['inverted residuals', smallNetwork({ kind: 'inverted' })],
  ['projections behind a pool', smallNetwork({ pooledShortcut: true })],
  ['four convolutions', smallNetwork({ kind: 'preactivated' })],
  ['eight convolutions', smallNetwork({ kind: 'separable' })],
  ['max-pools in branches', withPools(smallNetwork())],
  ...ATTENTION_KINDS.map((attention): [string, Network] => [
    `attention, ${attention}`,
    smallNetwork({ excite: true, attention }),
  ]),
  ...interpolations.map((interpolation): [string, Network] => [
    `joined maps, ${interpolation}`,
    withJoins(smallNetwork(), interpolation),
  ]),
  ['pixels that attend to each other', withAttention(smallNetwork())],
  ['ConvNeXt', convNext({ sides: [height, width], channels: [8, 12] })],
  [
    'ConvNeXt with RMS normalisation',
    convNext({ sides: [height, width], channels: [8, 12], centred: false }),
  ],
  // The first and the third have a projection, the others no shortcut.
  ['blocks that are never masked', neverMasked(smallNetwork())],
];

describe.each(networks)('a dense network of %s', (_, network) => {
  const expected = run(network, images, { backend: 'reference', strategy: 'dense' });

  it.skipIf(!canTrain()).each([false, true])(
    'is computed for training as the reference computes it, keeping values: %s',
    async (keeps) => {
      const { output } = await expected;
      expect(relativeError(await forward(network, keeps), output.data)).toBeLessThan(1e-5);
    },
  );

  it('is written as an ONNX model that computes the same', async () => {
    const session = await openDense(network, { batch, height, width });
    const { output } = await session.run(images);
    expect(relativeError(output.data, (await expected).output.data)).toBeLessThan(1e-5);
    await session.dispose();
  });
});

describe.skipIf(!canTrain())('a product', () => {
  it.each([[[2, 1, 1, 3]], [[2, 4, 5, 3]]] as const)(
    'of a map and of %j, in memory that is longer than the values',
    async (shape) => {
      const numbers = (length: number) => Float32Array.from({ length }, (_, i) => i + 1);
      const map: Value = { array: numbers(2 * 4 * 5 * 3), shape: [2, 4, 5, 3], learned: false };
      const factor: Value = { array: numbers(2 * map.array.length), shape, learned: false };
      const tape = new Tape([], true);
      const product = tape.multiply(factor, map);
      await new TrainProgram(tape.ops).run(1, new Int32Array(1));
      const [, H, W, C] = shape;
      const expected = map.array.map((value, i) => {
        const at = H * W === 1 ? Math.floor(i / (4 * 5 * C)) * C + (i % C) : i;
        return value * factor.array[at]!;
      });
      expect(product.array.slice(0, map.array.length)).toEqual(expected);
    },
  );
});

describe.skipIf(!canTrain())('what a tape computes', () => {
  it('is of the values alone, where memory that other maps had is longer', async () => {
    const { nodes } = convNext({ sides: [height, width], channels: [8, 12] });
    const stem = nodes.find((node) => node.kind === 'convolution' && node.convolution.normalisation);
    if (stem?.kind !== 'convolution') throw new Error('no normalised convolution');
    const computed = async (longer: number) => {
      const tape = new Tape([], false);
      const { inChannels } = stem.convolution;
      const array = Float32Array.from({ length: batch * height * width * inChannels }, (_, i) => Math.sin(i));
      const output = (map: Value) => tape.convolution(map, stem.convolution);
      const map: Value = { array, shape: [batch, height, width, inChannels], learned: false };
      const [length] = [output(map).array.length];
      for (let i = 0; i < 4; i++)
        tape.discard({
          array: new Float32Array(length + longer),
          shape: [1, 1, 1, length + longer],
          learned: false,
        });
      const result = output(map);
      expect(result.array.length).toBe(length + longer);
      await new TrainProgram(tape.ops).run(1, new Int32Array(1));
      return result.array.slice(0, length);
    };
    expect(await computed(5)).toEqual(await computed(0));
  });
});
