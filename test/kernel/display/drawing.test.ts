import {
  type LatencyDocument,
  latencyDocument,
  type MasksDocument,
  masksDocument,
  paretoView,
} from '@fovea/kernel';
import { describe, expect, it } from 'vitest';
import { latencyBundle, masksBundle } from '../../../kernel/src/display/bundle.js';
import { drawLatency } from '../../../kernel/src/display/draw/latency.js';
import { linearScale } from '../../../kernel/src/display/draw/scale.js';
import { type Drawing, escapeMarkup } from '../../../kernel/src/display/draw/svg.js';
import { fitText, textWidth } from '../../../kernel/src/display/draw/text.js';
import { decodePng, type Pixels } from '../../../kernel/src/display/picture.js';
import { discImage, leftHalfMask, sampleNetwork, sampleProfile } from './samples.js';

const network = sampleNetwork([1]);

function picture(bundle: { data: Readonly<Record<string, unknown>> }): Required<Pixels> {
  return decodePng(Buffer.from(bundle.data['image/png'] as string, 'base64'));
}

/** The colour at a place given in pixels of the drawing; the file holds two pixels for each. */
function colourAt({ data, width, channels }: Required<Pixels>, x: number, y: number): number[] {
  const at = (Math.round(y * 2) * width + Math.round(x * 2)) * channels;
  return Array.from(data.subarray(at, at + 3));
}

/** How many pixels have exactly this colour. */
function count({ data, channels }: Required<Pixels>, colour: readonly number[]): number {
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
    const reddish = ({ data, channels }: Required<Pixels>) =>
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

/** Where the texts of a drawing stand that are not turned: their sizes follow from the typeface. */
function textBoxes(content: string) {
  return [...content.matchAll(/<text ([^>]*)>([^<]*)<\/text>/g)].flatMap(([, attributes, words]) => {
    const value = (name: string) => new RegExp(`(?:^| )${name}="([^"]*)"`).exec(attributes!)?.[1];
    const [x, y, size] = ['x', 'y', 'font-size'].map((name) => Number(value(name)));
    if (value('transform')) return [];
    const width = textWidth(words!, size, value('font-weight') === '600');
    const anchor = value('text-anchor') ?? 'start';
    const left = x! - (anchor === 'start' ? 0 : anchor === 'end' ? width : width / 2);
    return [{ words: words!, left, right: left + width, top: y! - 0.7 * size!, bottom: y! }];
  });
}

/** Texts that lie over others, or beyond the drawing. */
function wrongTexts({ content, width }: Drawing): string[] {
  const boxes = textBoxes(content);
  return boxes.flatMap((one, index) => [
    ...(one.left < 0 || one.right > width ? [`${one.words} is cut off`] : []),
    ...boxes
      .slice(index + 1)
      .filter(
        (other) =>
          one.left < other.right &&
          other.left < one.right &&
          one.top < other.bottom &&
          other.top < one.bottom,
      )
      .map((other) => `${one.words} over ${other.words}`),
  ]);
}

describe('the texts of pictures', () => {
  const longName = (i: number) => `backbone.features.a_stage_of_long_name.layer${i % 4}.block${i}.branch`;
  const candidates = (count: number) =>
    Array.from({ length: count }, (_, i) => ({
      label: `resnet101, S ${i % 7}, streamed, rate ${(i / count).toFixed(2)}`,
      ms: 1 + ((i * 37) % count) * 0.3,
      score: 0.5 + 0.4 * Math.sqrt(((i * 53) % count) / count),
      origin: i % 2 === 0 ? ('measured' as const) : ('predicted' as const),
    }));
  const profile = (count: number) => {
    const sample = sampleProfile(network);
    const [block] = sample.blocks;
    const [op] = sample.ops;
    return {
      ...sample,
      totalMs: count * op!.totalMs,
      blocks: Array.from({ length: count }, (_, i) => ({ ...block!, block: i, name: longName(i) })),
      ops: Array.from({ length: count }, (_, i) => ({ ...op!, block: i, name: `${longName(i)} gather` })),
    };
  };
  const drawn = (views: LatencyDocument['views']) =>
    views.map((view) => drawLatency({ version: 1, views: [view] }));

  it('never lie over each other or beyond the border, however many points and however long the names are', () => {
    const pictures = drawn([
      ...[1, 24, 300].map((count) => paretoView(candidates(count))),
      paretoView(candidates(6).map((each) => ({ ...each, ms: 5, score: 0.5 }))),
      paretoView(
        candidates(6).map((each) => ({ ...each, score: 1234567 + each.score / 100 })),
        {
          yLabel: 'a quality of a long name '.repeat(9),
        },
      ),
      ...[3, 70].flatMap((count) => latencyDocument([profile(count), profile(count)]).views),
      ...latencyDocument(profile(60)).views,
    ]);
    expect(pictures.flatMap(wrongTexts)).toEqual([]);
    expect(pictures.flatMap(({ content }) => textBoxes(content)).length).toBeGreaterThan(200);
  });

  it('name the points of the front first, and count those without room', () => {
    const points = candidates(300);
    const view = paretoView(points);
    if (view.kind !== 'pareto') throw new Error(view.kind);
    const words = textBoxes(drawLatency({ version: 1, views: [view] }).content).map((box) => box.words);
    const [fastest] = view.points.filter((point) => point.onFront).sort((a, b) => a.ms - b.ms);
    // What all names begin with is left out where there is little room.
    expect(words).toContain(fastest!.label.replace('resnet101, ', '…'));
    const names = words.filter((word) => word.includes('rate'));
    expect(words).toContain(`${300 - names.length} points without room for a name`);
  });

  it('tell blocks of long names apart', () => {
    const rows = latencyDocument(profile(12)).views.filter(({ kind }) => kind === 'breakdown');
    const words = drawn(rows).flatMap(({ content }) => textBoxes(content).map((box) => box.words));
    for (const i of [0, 11]) expect(words).toContain(`…layer${i % 4}.block${i}…`);
  });

  it('leave names of blocks out where they would lie over each other', () => {
    const [compared] = latencyDocument([profile(70), profile(70)]).views;
    const [{ content }] = drawn([compared!]) as [Drawing];
    const slanted = [...content.matchAll(/rotate\(-45 ([\d.]+)/g)].map(([, x]) => Number(x));
    const gaps = slanted.slice(1).map((x, i) => x - slanted[i]!);
    expect(slanted.length).toBeGreaterThan(20);
    expect(Math.min(...gaps)).toBeGreaterThan(14);
  });
});

describe('the parts of a drawing', () => {
  it('widens a scale to round ticks', () => {
    const scale = linearScale([0, 0.93], [0, 100]);
    expect(scale.ticks.map(scale.format)).toEqual(['0.0', '0.2', '0.4', '0.6', '0.8', '1.0']);
    expect(scale(0.5)).toBe(50);
  });

  it('has ticks that say where they stand, and that differ', () => {
    const ticks = (low: number, high: number) => {
      const scale = linearScale([low, high], [0, 100]);
      return scale.ticks.map(scale.format);
    };
    expect(ticks(0, 12)).toEqual(['0.0', '2.5', '5.0', '7.5', '10.0', '12.5']);
    expect(ticks(-0.3, 0.3)).toEqual(['-0.4', '-0.2', '0.0', '0.2', '0.4']);
    expect(ticks(0, 4e-8)).toEqual(['0.00000000', '1e-8', '2e-8', '3e-8', '4e-8']);
    expect(ticks(0, 5e9)).toEqual(['0', '1e+9', '2e+9', '3e+9', '4e+9', '5e+9']);
    for (const [low, high] of [
      [1234567, 1234567.005],
      [0.9123451, 0.9123457],
      [2.4e9, 2.5e9],
    ] as const) {
      const found = ticks(low, high);
      expect(found.map(Number)).toEqual([...new Set(found.map(Number))].sort((a, b) => a - b));
      expect(found.length).toBeGreaterThan(3);
    }
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
