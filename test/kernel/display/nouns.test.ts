import { builtNetwork, makePlan, Tensor } from '@fovea/engine';
import { devices, searchGranularity } from '@fovea/engine/predict';
import { LATENCY_MIME, latencyDocument, MASKS_MIME, masksDocument, nounBundle } from '@fovea/kernel';
import { describe, expect, it } from 'vitest';
import { decodePng } from '../../../kernel/src/display/picture.js';
import { tensorStatistics } from '../../../kernel/src/display/tables/noun-tables.js';
import { discImage, leftHalfMask, sampleNetwork, sampleProfile } from './samples.js';

const html = (value: unknown) => String(nounBundle(value)!.data['text/html']);
const plain = (value: unknown) => String(nounBundle(value)!.data['text/plain']);

describe('each noun shows itself', () => {
  const network = builtNetwork('resnet18');

  it('a network: its nodes, shapes, FLOPs, and where masks can skip work', () => {
    expect(html(network)).toContain('<td style="text-align:left">layer1.0</td>');
    expect(html(network)).toMatch(/3x3 64→128 \/2/);
    expect(plain(network)).toMatch(/resnet18.*\n.*3\.6\d G FLOPs an image; masks can avoid up to \d\d %/);
  });

  it('a plan: one bracket per pass', () => {
    const plan = makePlan(network, { strategy: 'lasnet', granularity: 7 });
    expect(plain(plan)).toContain('[scatter + add]');
    expect(plain(plan)).toMatch(/8 of 8 blocks adaptive/);
  });

  it('a device: its figures with units', () => {
    expect(html(devices[0])).toContain(devices[0]!.name);
    expect(html(devices[0])).not.toMatch(/<thead>|<th[^>]*><\/th>/);
    expect(plain(devices[0])).toMatch(/peak, float32 +[\d.]+ TFLOP\/s/);
  });

  it('a profile: a table with bars, and the plot', () => {
    const profile = sampleProfile(sampleNetwork());
    const { data } = nounBundle(profile)!;
    expect(data[LATENCY_MIME]).toEqual(latencyDocument(profile));
    expect(data['text/html']).toContain('background-color:#3a6fb5');
    expect(data['text/plain']).toContain('layer2.1');
    expect(data['image/png']).toBeTypeOf('string');
  });

  it('several profiles: their comparison', () => {
    const profile = sampleProfile(sampleNetwork());
    const { data } = nounBundle([profile, { ...profile, kind: 'predicted' }])!;
    expect(data[LATENCY_MIME]).toMatchObject({ views: [{ kind: 'compare' }, { kind: 'strategies' }] });
  });

  it('a mask: its cells as a picture, its rate as a number', () => {
    const { data, metadata } = nounBundle(leftHalfMask(3, 14, 2))!;
    expect(data['text/plain']).toMatch(/3 +2 +7x7 +14x14 +1 +57 %/);
    const { width, height } = metadata['image/png'] as { width: number; height: number };
    const drawn = decodePng(Buffer.from(data['image/png'] as string, 'base64'));
    expect([drawn.width, drawn.height]).toEqual([2 * width, 2 * height]);
    const at = (x: number) => {
      const index = (2 * 50 * drawn.width + 2 * x) * drawn.channels;
      return Array.from(drawn.data.subarray(index, index + 3));
    };
    expect(at(20)).toEqual([0x3a, 0x6f, 0xb5]);
    expect(at(80)).toEqual([0xe9, 0xec, 0xf0]);
  });

  it('a tensor: its shape and statistics, and its picture when it can be one', () => {
    const image = nounBundle(discImage(32))!;
    expect(image.data['text/plain']).toContain('Tensor 1 x 32 x 32 x 3');
    const drawn = decodePng(Buffer.from(image.data['image/png'] as string, 'base64'));
    expect([drawn.width, drawn.height]).toEqual([32, 32]);
    expect(Array.from(drawn.data.subarray(0, 3))).toEqual([26, 0, 51]);
    expect(nounBundle(Tensor.zeros([1, 8, 8, 64]))!.data).not.toHaveProperty('image/png');
  });

  it('a run: the most probable class, the masks and the times', () => {
    const result = {
      output: new Tensor([1, 1, 1, 3], Float32Array.from([0, 4, 0])),
      masks: [leftHalfMask(0, 14, 7)],
      profile: sampleProfile(sampleNetwork()),
    };
    expect(plain(result)).toMatch(/class 1 96 %/);
    expect(html(result)).toContain('data:image/png;base64,');
  });

  it('a search: choices per stage, advice per block, and the front where scores were given', () => {
    const found = searchGranularity(network, 'cpu-avx2', { rate: 0.3, scores: { 1: 0.9, 2: 0.8, 7: 0.5 } });
    expect(plain(found)).toMatch(/resnet18 on cpu-avx2: [\d.]+ ms against [\d.]+ ms dense/);
    for (const { advice } of found.blocks) expect(plain(found)).toContain(advice.sentence);
    expect(nounBundle(found)!.data[LATENCY_MIME]).toMatchObject({
      views: [
        { kind: 'strategies', baselineMs: found.denseMs },
        { kind: 'pareto', points: found.pareto!.map(({ totalMs }) => ({ ms: totalMs, onFront: true })) },
      ],
    });
  });

  it('documents and views: as their own MIME types', () => {
    const masks = masksDocument({ masks: [leftHalfMask(0, 14, 7)] }, discImage(28), sampleNetwork());
    expect(nounBundle(masks)!.data[MASKS_MIME]).toBe(masks);
    const latency = latencyDocument(sampleProfile(sampleNetwork()));
    expect(nounBundle(latency)!.data[LATENCY_MIME]).toBe(latency);
    expect(nounBundle(latency.views[0])!.data[LATENCY_MIME]).toMatchObject({ views: latency.views });
  });
});

describe('what is no noun', () => {
  it('is left to others', () => {
    for (const value of [
      undefined,
      null,
      1,
      'x',
      {},
      [],
      [1],
      { kind: 'predicted' },
      new Map(),
      { shape: [1] },
    ]) {
      expect(nounBundle(value)).toBeUndefined();
    }
    expect(nounBundle([sampleProfile(sampleNetwork()), 1])).toBeUndefined();
  });

  it('may not bring markup in through a name', () => {
    const profile = { ...sampleProfile(sampleNetwork()), network: '<img src=x onerror=alert(1)>' };
    expect(html(profile)).not.toContain('<img src=x');
  });
});

describe('statistics', () => {
  it('leave NaN and infinities out and count them', () => {
    expect(tensorStatistics([0, 4, Number.NaN, Number.POSITIVE_INFINITY, 2])).toEqual({
      count: 5,
      min: 0,
      max: 4,
      mean: 2,
      deviation: Math.sqrt(8 / 3),
      zeros: 1,
      notFinite: 2,
    });
  });

  it('keep the deviation of values far from zero', () => {
    const { deviation } = tensorStatistics([1e8 + 1, 1e8 + 2, 1e8 + 3]);
    expect(deviation).toBeCloseTo(Math.sqrt(2 / 3), 6);
  });

  it('of a long table show its beginning and its end', () => {
    const profile = sampleProfile(sampleNetwork([150, 150]));
    expect(plain(profile)).toContain('… 100 more rows …');
    expect(plain(profile)).toContain('layer2.149');
  });
});
