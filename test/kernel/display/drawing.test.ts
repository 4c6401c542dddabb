import {
  type LatencyDocument,
  latencyDocument,
  type MasksDocument,
  masksDocument,
  paretoView,
} from '@fovea/kernel';
import { describe, expect, it } from 'vitest';
import { latencyBundle, masksBundle } from '../../../kernel/src/display/bundle.js';
import { linearScale } from '../../../kernel/src/display/draw/scale.js';
import { escapeMarkup } from '../../../kernel/src/display/draw/svg.js';
import { fitText, textWidth } from '../../../kernel/src/display/draw/text.js';
import { decodePng, type Pixels } from '../../../kernel/src/display/picture.js';
import { discImage, leftHalfMask, sampleNetwork, sampleProfile } from './samples.js';

const network = sampleNetwork([1]);

function picture(bundle: { data: Readonly<Record<string, unknown>> }): Pixels {
  return decodePng(Buffer.from(bundle.data['image/png'] as string, 'base64'));
}

/** The colour at a place given in pixels of the drawing; the file holds two pixels for each. */
function colourAt({ data, width, channels }: Pixels, x: number, y: number): number[] {
  const at = (Math.round(y * 2) * width + Math.round(x * 2)) * channels;
  return Array.from(data.subarray(at, at + 3));
}

/** How many pixels have exactly this colour. */
function count({ data, channels }: Pixels, colour: readonly number[]): number {
  let found = 0;
  for (let i = 0; i < data.length; i += channels) {
    if (data[i] === colour[0] && data[i + 1] === colour[1] && data[i + 2] === colour[2]) found++;
  }
  return found;
}

const compute = [0x3a, 0x6f, 0xb5];
const dataMovement = [0xe3, 0xa2, 0x3c];

describe('the picture of masks', () => {
  const image = { width: 8, height: 8, channels: 3 as const, data: new Uint8Array(8 * 8 * 3).fill(40) };

  it('shows the image where a block computes and a veil over what it skips', () => {
    const document = masksDocument({ masks: [leftHalfMask(0, 14, 7)] }, image, network);
    const drawn = picture(masksBundle(document));
    // The only block's own picture begins right of the overview, 14 + 250 + 18 pixels from the left.
    expect(colourAt(drawn, 282 + 20, 40 + 40)).toEqual([40, 40, 40]);
    const veiled = colourAt(drawn, 282 + 100, 40 + 40);
    expect(veiled[0]).toBeGreaterThan(200);
  });

  it('draws lines around cells, unless they are so small that lines would hide the image', () => {
    const document = masksDocument({ masks: [leftHalfMask(0, 14, 7)] }, image, network);
    const of = (side: number) => {
      const [first] = document.images;
      const cells = '01'.repeat((side * side) / 2);
      const block = { ...first!.blocks[0]!, rows: side, columns: side, height: side, width: side, cells };
      return picture(masksBundle({ ...document, images: [{ ...first!, blocks: [block] }] }));
    };
    const reddish = ({ data, channels }: Pixels) =>
      data.filter((red, i) => i % channels === 0 && red > 200 && data[i + 1]! < 120).length;
    expect(reddish(of(8))).toBeGreaterThan(500);
    expect(reddish(of(200))).toBe(0);
  });

  it('warms the overview where every block computes and pales it where none does', () => {
    const document = masksDocument(
      { masks: [leftHalfMask(0, 14, 7), leftHalfMask(0, 14, 7)] },
      image,
      network,
    );
    const drawn = picture(masksBundle(document));
    const [red, , blue] = colourAt(drawn, 14 + 50, 40 + 100);
    expect(red).toBeGreaterThan(blue! + 40);
    const skipped = colourAt(drawn, 14 + 200, 40 + 100);
    expect(Math.min(...skipped)).toBeGreaterThan(190);
  });

  it('draws the first images of a large batch and counts the others', () => {
    const mask = leftHalfMask(0, 14, 7, 6);
    const bundle = masksBundle(masksDocument({ masks: [mask] }, discImage(16, 6), network));
    const one = masksBundle(masksDocument({ masks: [leftHalfMask(0, 14, 7)] }, discImage(16), network));
    expect(picture(bundle).height).toBeGreaterThan(3.9 * picture(one).height);
    expect(picture(bundle).height).toBeLessThan(4.4 * picture(one).height);
  });

  it('takes names that are markup as names', () => {
    const hostile: MasksDocument = {
      ...masksDocument({ masks: [leftHalfMask(0, 14, 7)] }, image, network),
      title: '</text><script>alert(1)</script>&\u0000"',
    };
    expect(picture(masksBundle(hostile)).width).toBe(1520);
  });
});

describe('the picture of latency', () => {
  it('fills measured bars, hatches predicted ones', () => {
    const area = (kind: 'measured' | 'predicted') =>
      count(picture(latencyBundle(latencyDocument(sampleProfile(network, { kind })))), compute);
    expect(area('measured')).toBeGreaterThan(1.8 * area('predicted'));
    expect(area('predicted')).toBeGreaterThan(0);
  });

  it('gives compute and data movement areas in proportion to their times', () => {
    const profile = sampleProfile(network);
    const drawn = picture(latencyBundle(latencyDocument(profile)));
    const sum = (key: 'computeMs' | 'dataMs') => profile.ops.reduce((total, op) => total + op[key], 0);
    const drawnRatio = count(drawn, dataMovement) / count(drawn, compute);
    expect(drawnRatio).toBeCloseTo(sum('dataMs') / sum('computeMs'), 1);
  });

  it('draws every kind of view, with or without content', () => {
    const empty: LatencyDocument = {
      version: 1,
      views: [
        { kind: 'compare', profiles: [] },
        { kind: 'ratio', series: [] },
        { kind: 'strategies', bars: [] },
        { kind: 'fusion', bars: [{ label: 'x', origin: 'published', totalMs: 0 }], baselineMs: 0 },
        { kind: 'pareto', yLabel: 'accuracy', points: [] },
        paretoView([{ label: 'one', ms: 1, score: 1 }]),
      ],
    };
    const drawn = picture(latencyBundle(empty));
    expect(drawn.width).toBe(1520);
    expect(count(drawn, [255, 255, 255])).toBeGreaterThan(drawn.width * drawn.height * 0.8);
  });

  it('survives figures that are no numbers', () => {
    const profile = sampleProfile(network);
    const broken = {
      ...profile,
      totalMs: Number.NaN,
      ops: profile.ops.map((op) => ({ ...op, totalMs: Infinity })),
    };
    expect(picture(latencyBundle(latencyDocument(broken))).width).toBe(1520);
  });

  it('says in text what it draws', () => {
    const text = latencyBundle(latencyDocument(sampleProfile(network))).data['text/plain'];
    expect(text).toContain('layer1.0 gather+conv2');
    expect(text).toMatch(/\d+\.\d+ ms/);
  });
});

describe('the parts of a drawing', () => {
  it('widens a scale to round ticks', () => {
    const scale = linearScale([0, 0.93], [0, 100]);
    expect(scale.ticks.map(scale.format)).toEqual(['0.0', '0.2', '0.4', '0.6', '0.8', '1.0']);
    expect(scale(0.5)).toBe(50);
  });

  it('measures text in its typeface and cuts it to fit', () => {
    expect(textWidth('iiii')).toBeLessThan(textWidth('mmmm') / 3);
    expect(fitText('layer1.0', 1000)).toBe('layer1.0');
    const cut = fitText('a very long label of a block', 60);
    expect(cut).toMatch(/^a very.*…$/);
    expect(textWidth(cut)).toBeLessThanOrEqual(60);
  });

  it('writes no character that XML forbids', () => {
    expect(escapeMarkup('a\u0000<b>&"\u001b\ud800')).toBe('a&lt;b&gt;&amp;&quot;');
  });
});
