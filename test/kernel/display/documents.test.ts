import { FoveaError, Tensor } from '@fovea/engine';
import {
  breakEvenRate,
  fusionView,
  latencyDocument,
  type MasksBlock,
  masksDocument,
  paretoView,
  ratioView,
} from '@fovea/kernel';
import { describe, expect, it } from 'vitest';
import { decodePng } from '../../../kernel/src/display/picture.js';
import { discImage, leftHalfMask, sampleNetwork, sampleProfile } from './samples.js';

const network = sampleNetwork([1, 1]);

describe('the mask document', () => {
  it('writes each block once per image, with its cells, its rate and the names of the network', () => {
    const mask = leftHalfMask(1, 14, 7, 2);
    const document = masksDocument({ masks: [mask] }, discImage(56, 2), network, { names: ['a', 'b'] });
    expect(document.images.map((image) => image.name)).toEqual(['a', 'b']);
    expect(document.images[1]!.blocks).toEqual([
      {
        index: 1,
        name: 'layer2.0',
        stage: 1,
        granularity: 7,
        rate: 0.5,
        rows: 2,
        columns: 2,
        height: 14,
        width: 14,
        cells: '1010',
      } satisfies MasksBlock,
    ]);
  });

  it('counts pixels, not cells, where cells differ in size', () => {
    // 7 columns over 3 cells: 3 + 2 + 2 pixels; the two left cells of each row are active.
    const mask = leftHalfMask(0, 7, 2);
    const document = masksDocument({ masks: [mask] }, discImage(28), network);
    expect(document.images[0]!.blocks[0]!.rate).toBeCloseTo(5 / 7, 12);
  });

  it('keeps margins as signed bytes of one scale', () => {
    const mask = {
      ...leftHalfMask(0, 14, 7),
      margins: new Float32Array([2, -1, 0.5, Number.NEGATIVE_INFINITY]),
    };
    const { margins } = masksDocument({ masks: [mask] }, discImage(28), network).images[0]!.blocks[0]!;
    const bytes = new Int8Array(Buffer.from(margins!.base64, 'base64'));
    expect(Array.from(bytes, (byte) => Math.round(byte * margins!.scale * 10) / 10)).toEqual([
      2, -1, 0.5, -2,
    ]);
  });

  it('names the most probable classes from logits and from probabilities', () => {
    const masks = [leftHalfMask(0, 14, 7)];
    const top = (values: number[]) =>
      masksDocument(
        { masks, output: new Tensor([1, 1, 1, 3], Float32Array.from(values)) },
        discImage(28),
        network,
        {
          top: 2,
        },
      ).images[0]!.top!.map(({ label, probability }) => [label, Number(probability.toFixed(3))]);
    expect(top([1, 3, 2])).toEqual([
      ['dog', 0.665],
      ['bird', 0.245],
    ]);
    expect(top([0.2, 0.7, 0.1])).toEqual([
      ['dog', 0.7],
      ['cat', 0.2],
    ]);
  });

  it('holds the picture that was fed in, ImageNet normalisation undone', () => {
    const image = Tensor.zeros([1, 8, 8, 3]);
    const wanted = [200 / 255, 100 / 255, 50 / 255];
    const [mean, deviation] = [
      [0.485, 0.456, 0.406],
      [0.229, 0.224, 0.225],
    ];
    image.data.forEach((_, i) => {
      image.data[i] = (wanted[i % 3]! - mean![i % 3]!) / deviation![i % 3]!;
    });
    const { png } = masksDocument({ masks: [leftHalfMask(0, 14, 7)] }, image, network).images[0]!;
    const pixels = decodePng(Buffer.from(png, 'base64'));
    expect(Array.from(pixels.data.subarray(0, 3))).toEqual([200, 100, 50]);
  });

  it('reads tensors of bytes, of fractions and of anything else', () => {
    const first = (values: number[], options = {}) => {
      const tensor = new Tensor([1, 1, values.length / 3, 3], Float32Array.from(values));
      const { png } = masksDocument({ masks: [leftHalfMask(0, 14, 7)] }, tensor, network, options).images[0]!;
      return Array.from(decodePng(Buffer.from(png, 'base64')).data.subarray(0, 3));
    };
    expect(first([200, 100, 50, 0, 255, 1])).toEqual([200, 100, 50]);
    expect(first([200 / 255, 100 / 255, 50 / 255])).toEqual([200, 100, 50]);
    expect(first([1, 0, 1])).toEqual([255, 0, 255]);
    expect(first([-100, 20, 100])).toEqual([0, 153, 255]);
    expect(first([-100, 40, 100], { range: [-200, 200] })).toEqual([64, 153, 191]);
    expect(first([Number.NaN, -5, 5])).toEqual([0, 0, 255]);
  });

  it('averages large pictures down', () => {
    const document = masksDocument({ masks: [leftHalfMask(0, 14, 7)] }, discImage(64), network, {
      maxSide: 16,
    });
    expect([document.images[0]!.width, document.images[0]!.height]).toEqual([16, 16]);
  });

  it('says how many pictures are missing', () => {
    expect(() => masksDocument({ masks: [leftHalfMask(0, 14, 7, 3)] }, discImage(28, 2), network)).toThrow(
      new FoveaError('bad-argument', 'the masks cover 3 images, but 2 were given to show them on'),
    );
  });

  it('refuses a tensor that is no picture, and bytes that are no PNG', () => {
    const masks = [leftHalfMask(0, 14, 7)];
    expect(() => masksDocument({ masks }, Tensor.zeros([1, 8, 8, 16]), network)).toThrow(/16 channels/);
    expect(() => masksDocument({ masks }, new Uint8Array(50), network)).toThrow(/not a PNG/);
  });
});

describe('the latency document', () => {
  const predicted = sampleProfile(network, { kind: 'predicted' });
  const measured = sampleProfile(network, { seed: 2 });

  it('breaks one profile down and compares several', () => {
    expect(latencyDocument(predicted).views.map((view) => view.kind)).toEqual(['breakdown']);
    const document = latencyDocument([predicted, { profile: measured, label: 'mine' }]);
    expect(document.views.map((view) => view.kind)).toEqual(['compare', 'strategies']);
    const [compare, bars] = document.views;
    expect(compare).toMatchObject({
      profiles: [{ origin: 'predicted' }, { origin: 'measured', label: 'mine', totalMs: measured.totalMs }],
    });
    expect(bars).toMatchObject({ bars: [{ origin: 'predicted' }, { label: 'mine' }] });
  });

  it('keeps the parts of a bar adding up to its passes', () => {
    const view = fusionView([measured], { dense: predicted });
    if (view.kind !== 'fusion') throw new Error(view.kind);
    const [bar] = view.bars;
    expect(bar!.computeMs! + bar!.dataMs! + bar!.overheadMs!).toBeCloseTo(measured.totalMs, 9);
    expect(view.baselineMs).toBe(predicted.totalMs);
  });

  it('finds the rate up to which sparsity pays by interpolation', () => {
    expect(
      breakEvenRate([
        { rate: 0.5, ratio: 0.8 },
        { rate: 1, ratio: 1.2 },
      ]),
    ).toBeCloseTo(0.75, 12);
    expect(breakEvenRate([{ rate: 0.5, ratio: 1.1 }])).toBeUndefined();
    expect(
      breakEvenRate([
        { rate: 0.5, ratio: 0.7 },
        { rate: 1, ratio: 1 },
      ]),
    ).toBe(1);
  });

  it('relates a stage to the same stage computed densely', () => {
    const half = {
      ...predicted,
      blocks: predicted.blocks.map((block) => ({ ...block, totalMs: block.totalMs / 2 })),
    };
    const view = ratioView([
      { stage: 1, granularity: 4, points: [{ rate: 0.3, adaptive: half, dense: predicted }] },
    ]);
    expect(view).toMatchObject({
      kind: 'ratio',
      series: [
        { label: 'stage 2, S=4', origin: 'predicted', points: [{ rate: 0.3, ratio: 0.5 }], breakEven: 0.3 },
      ],
    });
    expect(() =>
      ratioView([{ stage: 7, granularity: 4, points: [{ rate: 1, adaptive: half, dense: predicted }] }]),
    ).toThrow(/no time with stage: 7; accepted are 0, 1/);
  });

  it('marks the front: nothing else is as fast and as good', () => {
    const view = paretoView([
      { label: 'slow and good', ms: 3, score: 0.9 },
      { label: 'fast and poor', ms: 1, score: 0.5 },
      { label: 'beaten', ms: 3, score: 0.6 },
      { label: 'twin', ms: 1, score: 0.5 },
    ]);
    if (view.kind !== 'pareto') throw new Error(view.kind);
    expect(view.points.filter((point) => point.onFront).map((point) => point.label)).toEqual([
      'slow and good',
      'fast and poor',
      'twin',
    ]);
  });

  it('refuses nothing at all', () => {
    expect(() => latencyDocument([])).toThrow(/no profile and no view/);
  });
});
