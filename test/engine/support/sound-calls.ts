import { join } from 'node:path';
import * as engine from '@fovea/engine';
import * as backend from '@fovea/engine/backend';
import * as onnx from '@fovea/engine/onnx';
import type { SoundCall } from '../../support/wrong-values.js';
import { trainingCalls } from './sound-training-calls.js';
import {
  ANY_INTEGER,
  ANY_SIZE,
  aborted,
  call,
  folder,
  HALF,
  height,
  image,
  input,
  network,
  onProgress,
  runAlso,
  running,
  sizes,
  width,
} from './sound-values.js';

/** Exports that are not checked, and why. */
export const elsewhere: Readonly<Record<string, string>> = {
  FoveaError: 'takes whatever code throws',
  cellOf: 'computes one pixel, called for each',
  cellStart: 'computes one pixel, called for each',
};

/** A sound call of every function that an entry of the engine exports. */
export async function soundCalls(): Promise<Readonly<Record<string, Readonly<Record<string, SoundCall>>>>> {
  const result = await engine.run(network, input, { masker: 'saliency' });
  const mask = result.masks[0]!;
  const block = engine.blocksOf(network)[0]!;
  const shape = backend.networkShapes(network, sizes).blocks[0]!;
  const active = backend.activePixels(mask, block, shape);
  const program = backend.programOf(network, { strategy: 'streamed', masker: 'saliency' });
  const maskers = engine.resolveMaskers(network, {});
  const device = engine.getDevice('v100');
  const out = { height: shape.outHeight, width: shape.outWidth };
  const shared = {
    activeFraction: call([Uint8Array.of(0, 1)], { 0: 'bytes' }),
    blocksOf: call([network], { 0: 'whole' }),
    builtNetwork: call(
      ['resnet18', { classes: 2, inputSize: 32, maskers: { granularity: [2, 2, 2, 2] }, seed: 1 }],
      {
        '1.seed': '-1',
      },
    ),
    customMasker: call([() => [], { description: 'own', needsPool: true }]),
    fixedMasker: call([[Uint8Array.of(1)]], { 0: '[] [undefined]' }),
    learnedMasker: call([]),
    makePlan: call(
      [
        network,
        {
          ...sizes,
          strategy: 'auto',
          granularity: 2,
          threads: 1,
          device,
          target: 'cpu',
          rate: 0.5,
          masks: result.masks,
          maskers,
          excitation: 'exact',
        },
      ],
      { 0: 'whole', ...runAlso('1'), '1.device': 'whole' },
    ),
    randomMasker: call([0.5, 1], { 0: HALF, 1: ANY_INTEGER }),
    regionMasker: call([{ rows: 1, columns: 1, cells: Uint8Array.of(1) }], { '0.cells': 'bytes' }),
    resolveMaskers: call([network, { masker: 'random', rate: 0.5, seed: 1 }], {
      0: 'whole',
      ...runAlso('1'),
    }),
    saliencyMasker: call([0.5], { 0: HALF }),
  };
  const how = { ...running, excitation: 'exact', granularity: 2, strategy: 'streamed', onProgress };
  const webgpuBackendWith = call([{ precision: 'f32', tune: false }]);
  return {
    '.': {
      ...shared,
      describeNetwork: call([network, { height, width }], { 0: 'whole' }),
      deviceNames: call([]),
      encodePng: call([{ width: 8, height: 8, channels: 3, data: new Uint8Array(192) }]),
      getDevice: call(['v100']),
      getStrategy: call(['dense']),
      loadNetwork: call([join(folder, 'none.onnx'), { config: join(folder, 'none.json'), output: 'x' }]),
      loadShippedModel: call(['quick-look']),
      medianProfile: call([[result.profile]]),
      predict: call(
        [
          network,
          {
            ...sizes,
            device: 'v100',
            granularity: 2,
            rate: 0.5,
            strategy: 'dense',
            threads: 1,
            model: 'fovea',
            masks: result.masks,
            maskers,
            excitation: 'exact',
          },
        ],
        { 0: 'whole', ...runAlso('1') },
      ),
      preprocess: call(
        [
          image,
          {
            width: 8,
            height: 8,
            channels: 3,
            fit: 'crop',
            cropFraction: 0.8,
            mean: [0, 0, 0],
            deviation: [1, 1, 1],
          },
        ],
        {
          '1.cropFraction': HALF,
          '1.mean': 'bytes',
          '1.deviation': 'bytes',
        },
      ),
      programText: call(
        [
          network,
          {
            ...sizes,
            strategy: 'dense',
            masker: 'random',
            rate: 0.5,
            seed: 1,
            granularity: 2,
            excitation: 'exact',
          },
        ],
        {
          0: 'whole',
          ...runAlso('1'),
        },
      ),
      readImage: call([join(folder, 'none.png')]),
      registerStrategy: call([{ name: 'own', plan: () => undefined }]),
      releaseNetwork: call([network], { 0: 'whole' }),
      run: call([network, input, { ...how, masker: 'random', rate: 0.5, seed: 1 }], {
        0: 'whole',
        ...runAlso('2'),
      }),
      strategyNames: call([]),
      topClasses: call([result.output, 0, 3, ['a']]),
    },
    './predict': {
      benchmark: call(
        [network, { ...how, batch: 1, input, masker: 'random', rates: [0.5], runs: 1, signal: aborted }],
        {
          0: 'whole',
          ...runAlso('1'),
        },
      ),
      // With the signal of a calibration that is over: the others last.
      calibrate: call([{ onProgress, seconds: 1, signal: aborted, store: false }], {
        ...{ 0: '!undefined !{} !bare', '0.seconds': HALF },
        ...{ '0.signal': '!undefined', '0.store': '!undefined' },
      }),
      calibrationOf: call([device], { 0: '{} bare whole' }),
      calibrationPath: call([]),
      predictFigure: call(['v100', 'resnet50', 'static', 1]),
      predictRow: call([{ op: 'add', hardware: 'v100', batch: 1, config: { c: 64, h: 8, w: 8 } }]),
      readCalibration: call([]),
      recomputeTable: call([{ rows: [], networks: [] }]),
      searchGranularity: call(
        [
          network,
          'v100',
          {
            ...sizes,
            threads: 1,
            excitation: 'exact',
            granularities: [1, 2],
            needsPool: true,
            objective: 'finest',
            rate: 0.5,
            scores: { 1: 0.5, 2: 0.5 },
            strategies: ['lasnet'],
            tolerance: 0.1,
          },
        ],
        { 0: 'whole', '2.rate': HALF, '2.tolerance': `${HALF} ${ANY_SIZE}` },
      ),
      storeCalibration: call([device, 'none'], { 0: 'whole' }),
      thisMachine: call([]),
      validatePredictions: call(
        [
          network,
          {
            device: 'cpu-avx2',
            granularities: [2],
            height,
            width,
            onProgress,
            rates: [0.5],
            runs: 1,
            signal: aborted,
            strategies: ['dense'],
            threads: [1],
          },
        ],
        { 0: 'whole', '1.granularities': 'bytes', '1.threads': 'bytes' },
      ),
    },
    './train': await trainingCalls(how),
    './onnx': {
      importOnnx: call([onnx.toOnnx(network), 'a', join(folder, 'a.onnx'), undefined]),
      openDense: call([network, { ...sizes, threads: 1, provider: 'cpu' }], { 0: 'whole' }),
      toOnnx: call(
        [
          network,
          { batch: 1, batchNorm: { seed: 1 }, head: 'flatten', maskers: true, size: { height, width } },
        ],
        { 0: 'whole' },
      ),
      toOnnxWithExternalData: call([network, 'a.data', { batch: 1 }], { 0: 'whole' }),
    },
    './backend': {
      activePixels: call([mask, block, shape], { 0: 'whole', 1: 'whole', 2: 'whole' }),
      backendNames: call([]),
      blockShape: call([block, 8, 8], { 0: 'whole' }),
      branchRegions: call([block, shape, active, 1, { denseConv1: false, excitation: 'exact' }], {
        0: 'whole',
        1: 'whole',
      }),
      cellOrder: call(['morton', 2, 3]),
      decideMask: call([engine.randomMasker(0.5), block, shape, 1, 2, () => new Float32Array(), {}], {
        ...{ 0: 'whole', 1: 'whole', 2: 'whole' },
        4: ANY_SIZE,
      }),
      excitationRegion: call([block, shape, active, 1, 'active'], { 0: 'whole', 1: 'whole' }),
      getBackend: call(['reference']),
      mapBytes: call([program], { 0: 'whole' }),
      maskGrid: call([8, 8, 2], { 2: ANY_SIZE }),
      maskStatistics: call([mask, block, shape], { 0: 'whole', 1: 'whole', 2: 'whole' }),
      mergeSteps: call([program.steps, program.steps[0], program.steps[1]], {
        0: 'whole',
        1: 'whole',
        2: 'whole',
      }),
      // Opening a session says what is wrong with its options.
      nativeBackendWith: call([{ bandPixels: 1 }], { '0.bandPixels': 'anything' }),
      networkShapes: call([network, sizes], { 0: 'whole' }),
      orderCells: call(
        [program.steps, (rows: number, columns: number) => backend.cellOrder('rows', rows, columns)],
        {
          0: 'whole',
        },
      ),
      programOf: call([network, { ...sizes, strategy: 'dense' }], { 0: 'whole' }),
      receptiveRegion: call([active, 1, out, block.branch[0], out], { 3: 'whole' }),
      regionPixels: call([active, 1, out]),
      registerBackend: call([{ name: 'own', open: () => undefined }]),
      splitStep: call([program.steps, program.steps.find(({ operations }) => operations.length > 1), 1], {
        0: 'whole',
        1: 'whole',
      }),
      spreadCells: call([mask.cells, { rows: mask.rows, columns: mask.columns }, 1, 8, 8]),
      stepOf: call([program.steps, block.branch[0]], { 1: 'whole' }),
      webgpuBackendWith,
    },
    './web': {
      ...shared,
      webgpuBackendWith,
      measureInTurns: call([
        { adaptive: async () => result.profile, dense: async () => result.profile },
        onProgress,
      ]),
      readNetwork: call([onnx.toOnnx(network), { name: 'a' }]),
    },
  };
}
