import { builtNetwork, encodePng, predict, run, Tensor } from '@fovea/engine';
import * as kernel from '@fovea/kernel';
import { beforeAll, describe, expect, it } from 'vitest';
import { faultsOf, type SoundCall } from '../../support/wrong-values.js';

const network = builtNetwork('resnet18', { classes: 2, inputSize: 32 });
const image = Tensor.zeros([1, 32, 32, 3]);
const result = await run(network, image, { masker: 'saliency', granularity: 2 });
const profile = predict(network, { device: 'v100' });
const masks = kernel.masksDocument(result, image, network);
const latency = kernel.latencyDocument(profile);
const table = { columns: [{ label: 'a' }], rows: [['b']] };
const red = await encodePng({ width: 1, height: 1, channels: 3, data: Uint8Array.of(255, 0, 0) });
const size = { height: 32, width: 32 };
const pixels = { width: 1, height: 1, channels: 3, data: Uint8Array.of(255, 0, 0) };
const shown = { maxSide: 64, range: [0, 1] };
const masksOptions = { ...shown, title: 'a', names: ['a'], labels: ['a'], top: 3 };
const whole = (...places: number[]) => Object.fromEntries(places.map((place) => [place, 'whole']));
const call = (given: readonly unknown[], also: SoundCall['also'] = {}): SoundCall => ({
  arguments: given,
  also,
});

/** Numbers that are drawn as they are. */
const anyNumber = 'NaN -1 0.5 1e300 2**53 Infinity';

/** What takes any value, or is given by the kernel alone. */
const elsewhere = ['Progress', 'Rich', 'formatValue', 'nounBundle', 'live', 'serveLive'];

const calls: Readonly<Record<string, SoundCall>> = {
  breakEvenRate: call([[{ rate: 0.5, ratio: 0.9 }]]),
  breakdownView: call([profile, 'a'], whole(0)),
  clearOutput: call([{ wait: false }]),
  compareView: call([[profile], 'a']),
  connectOutput: call([{ display: () => undefined }]),
  // Anything can be displayed.
  display: call([1, { id: 'a', metadata: {}, raw: false, update: false }], {
    0: 'anything',
    '1.raw': '!true',
  }),
  fusionView: call([[profile], { title: 'a', dense: profile }], { '1.dense': anyNumber }),
  html: call(['a']),
  image: call([red, { width: 1, height: 1 }], { '1.width': anyNumber, '1.height': anyNumber }),
  json: call([1, { expanded: true }], { 0: 'anything' }),
  latencyBundle: call([latency], whole(0)),
  latencyDocument: call([profile, { title: 'a' }], whole(0)),
  latencyProfile: call([profile, { label: 'a', origin: 'measured' }], whole(0)),
  latex: call(['a']),
  markdown: call(['a']),
  masksBlock: call([result.masks[0], 0, 'a', 0], whole(0)),
  masksBundle: call([masks], whole(0)),
  masksDocument: call([result, image, network, masksOptions], whole(0, 1, 2)),
  packageFiles: call(['Not A Package', ['a']]),
  paretoView: call([[{ label: 'a', ms: 1, score: 1 }], { yLabel: 'a', title: 'a' }]),
  pictures: call([pixels, shown], { '0.data': 'bytes' }),
  plotly: call([[{ x: [1], y: [1] }], { id: 'a' }]),
  // Front ends say what is wrong with an image's bytes.
  png: call([red, { width: 1, height: 1 }], {
    0: `'' 'text' bytes`,
    '1.width': anyNumber,
    '1.height': anyNumber,
  }),
  progress: call([2, { label: 'a' }], {
    0: `0.5 1e300 2**53 [] [undefined] [null] [NaN] empty-floats bytes`,
  }),
  ratioView: call([
    [{ stage: 0, granularity: 1, points: [{ rate: 0.5, adaptive: profile, dense: profile }] }],
    'a',
  ]),
  readImage: call([red, size, { fit: 'crop', cropFraction: 1, mean: [0, 0, 0], deviation: [1, 1, 1] }], {
    '2.cropFraction': '0.5',
    '2.mean': 'bytes',
    '2.deviation': 'bytes',
  }),
  recordsCsv: call([[], { medians: true }]),
  recordsJsonLines: call([[]]),
  registerFormatter: call([() => undefined]),
  sampleImage: call(['fish', size]),
  showImage: call([pixels, { ...shown, id: 'a' }], { '0.data': 'bytes' }),
  showLatency: call([profile, { id: 'a', title: 'a' }], whole(0)),
  showMasks: call([result, image, network, { ...masksOptions, id: 'a' }], whole(0, 1, 2)),
  showMasksDocument: call([masks, { id: 'a' }], whole(0)),
  strategiesView: call([[profile], { title: 'a', dense: 1 }], { '1.dense': anyNumber }),
  svg: call(['<svg/>']),
  sweep: call(
    [
      'none such',
      { queue: 'http://a', confirm: true, retryFailed: true, labels: {}, signal: AbortSignal.abort() },
    ],
    {
      0: '{} bare',
      '1.signal': '!undefined',
      1: '!undefined !{} !bare',
    },
  ),
  tableBundle: call([table]),
  tableHtml: call([table]),
  tableText: call([table]),
};

describe('what comes in from a cell', () => {
  beforeAll(() => kernel.connectOutput({ display: () => undefined }));

  it('is checked for every function', () => {
    const functions = Object.entries(kernel)
      .filter(([name, value]) => typeof value === 'function' && !elsewhere.includes(name))
      .map(([name]) => name);
    expect(Object.keys(calls).sort()).toEqual(functions.sort());
    const ofFovea = Object.entries(kernel.fovea).filter(([, value]) => typeof value === 'function');
    for (const [name, value] of ofFovea) expect(Object.values(kernel), name).toContain(value);
  });

  it.each(Object.keys(calls))('is refused by %s in words where it is of another kind', async (name) => {
    const called = (kernel as unknown as Record<string, (...given: unknown[]) => unknown>)[name]!;
    expect(await faultsOf(name, called, calls[name]!)).toEqual([]);
  });

  it('is refused by a progress bar, which stays as it was', () => {
    const bar = kernel.progress(3);
    bar.advance();
    for (const wrong of ['1', null, {}, Promise.resolve(1)])
      expect(() => bar.set(wrong as never)).toThrow(/a number is accepted/);
    expect(bar.done).toBe(1);
  });
});
