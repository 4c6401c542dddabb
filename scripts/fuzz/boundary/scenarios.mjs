import { cellOrder, nativeBackendWith, orderCells } from '../../../engine/lib/entries/backend.js';
import { importOnnx } from '../../../engine/lib/entries/onnx.js';
import { adaptMaskers, generateDataset, imagesOf, train } from '../../../engine/lib/entries/train.js';
import {
  builtNetwork,
  getStrategy,
  predict,
  randomMasker,
  run,
  saliencyMasker,
  Tensor,
} from '../../../engine/lib/index.js';
import { GraphBuilder } from '../../../engine/lib/network/onnx/builder.js';
import { TrainProgram, trainInstructionSet } from '../../../engine/lib/train/train-program.js';
import { calibratedDevice } from '../calibrated-device.mjs';
import { joined } from '../joined.mjs';
import { windowed } from '../windowed.mjs';

/**
 * Uses the engine as people do, so that the functions of the addon are called with what they are meant for.
 * @param {import('../../../engine/lib/index.js').Random} random
 */
export async function useEngine(random) {
  await runNetworks((height, width, batch) => {
    const image = Tensor.zeros([batch, height, width, 3]);
    for (let i = 0; i < image.data.length; i++) image.data[i] = random.next() - 0.5;
    return image;
  });
  await trainNetworks();
  trainInstructionSet();
  for (const operation of rareOperations()) new TrainProgram([operation]);
}

/** A strategy that goes through cells in another order. */
function ordered(base) {
  const apply = (steps) => orderCells(steps, (rows, columns) => cellOrder('morton', rows, columns));
  return {
    name: `${base} in another order`,
    description: 'goes through cells in squares of squares',
    plan: (context) => ({ ...getStrategy(base).plan(context), rewrite: { name: 'another order', apply } }),
  };
}

async function runNetworks(noise) {
  await run(await withPiece(), noise(48, 40, 2), { backend: 'native' });
  const device = calibratedDevice();
  const threads = 2;
  const custom = {
    kind: 'custom',
    description: 'every second cell',
    needsPool: true,
    decide: ({ rows, columns, batch }) => ({
      cells: Uint8Array.from({ length: batch * rows * columns }, (_, cell) => cell % 2),
    }),
  };
  for (const network of [
    builtNetwork('resnet18', { maskers: { granularity: [4, 2, 2, 1] } }),
    builtNetwork('resnet50'),
    builtNetwork('regnet_y_400mf'),
    builtNetwork('mobilenet_v2'),
    // Before the pool and the classifier.
    joined(builtNetwork('resnet18'), 2),
    windowed(builtNetwork('resnet18')),
    builtNetwork('convnext_tiny'),
  ]) {
    const image = noise(48, 40, 2);
    const granularity = 2;
    for (const strategy of [
      'dense',
      'unfused',
      'lasnet',
      'streamed',
      ordered('lasnet'),
      ordered('streamed'),
    ]) {
      for (const masker of [randomMasker(0.4), saliencyMasker(0.6), custom]) {
        for (const excitation of ['exact', 'active']) {
          await run(network, image, {
            strategy,
            masker,
            granularity,
            threads,
            excitation,
            backend: 'native',
          });
        }
      }
      predict(network, { device, strategy, rate: 0.4, granularity, threads });
    }
    // Maps large enough for streams of several bands, and bands as small as can be.
    const large = noise(200, 232, 1);
    for (const masker of [randomMasker(0.3), saliencyMasker(0.3), randomMasker(1)]) {
      for (const backend of ['native', nativeBackendWith({ bandPixels: 7 })]) {
        await run(network, large, { strategy: 'streamed', masker, granularity, threads, backend });
      }
    }
  }
}

/** A network of which onnxruntime computes a piece. */
function withPiece() {
  const graph = new GraphBuilder();
  const image = graph.input('image', ['batch', 3, 'height', 'width']);
  const weight = graph.floats('weight', [4, 3, 1, 1], new Float32Array(12).fill(0.5));
  const output = graph.node('Conv', [graph.node('Elu', [image]), weight]);
  return importOnnx(graph.finish('piece', [{ name: output }]).model, 'piece');
}

async function trainNetworks() {
  const images = await generateDataset({ seed: 1, count: 16, size: 32 });
  const phase = { epochs: 1, rate: 0.05, decay: 1e-4 };
  for (const kind of ['basic', 'bottleneck']) {
    const recipe = {
      name: 'small',
      seed: 5,
      batch: 4,
      architecture: {
        kind,
        layers: [1, 1],
        width: 8,
        size: 32,
        classes: images.labels.length,
        granularity: [2, 1],
      },
      data: { kind: 'generated', train: 16, test: 16 },
      dense: { ...phase, warmUp: 1, smoothing: 0.05 },
      adaptive: { ...phase, target: 0.6, alwaysActive: 0.2 },
    };
    await train(recipe, { train: images, test: images, threads: 1 });
  }
  for (const network of [
    builtNetwork('regnet_y_400mf'),
    builtNetwork('mobilenet_v2'),
    joined(builtNetwork('resnet18'), 2),
    windowed(builtNetwork('resnet18')),
    builtNetwork('convnext_tiny'),
  ]) {
    const options = { steps: 2, batch: 2, granularity: 1, flops: 0.9, tune: 'norms', threads: 2 };
    await adaptMaskers(network, imagesOf(images, [...Array(8).keys()]), options);
  }
}

/** Training operations that the networks here do not need. */
function rareOperations() {
  const [inside, outside] = [new Float32Array(2 * 5 * 7 * 4), new Float32Array(2 * 3 * 4 * 4)];
  const dims = [2, 5, 7, 4, 3, 4, 3, 3, 2, 2, 1, 1];
  return [
    { op: 'average-pool', dims, buffers: [inside, outside] },
    { op: 'average-pool', dims: [...dims, 1, 0, 1], buffers: [inside, outside] },
    { op: 'average-pool-dx', dims, buffers: [outside, inside] },
    { op: 'average-pool-dx', dims: [...dims, 0, 1, 0], buffers: [outside, inside] },
  ];
}
