import {
  type CellOutput,
  connectOutput,
  fovea,
  LATENCY_MIME,
  MASKS_MIME,
  type MimeBundle,
  PLOTLY_MIME,
} from '@fovea/kernel';
import { beforeEach, describe, expect, it } from 'vitest';
import { decodePng } from '../../../kernel/src/display/picture.js';
import { discImage, leftHalfMask, sampleNetwork, sampleProfile } from './samples.js';

interface Shown {
  readonly bundle: MimeBundle;
  readonly id?: string;
  readonly update?: boolean;
}

let shown: Shown[];
const recorder: CellOutput = { display: (bundle, options) => shown.push({ bundle, ...options }) };

beforeEach(() => {
  shown = [];
  connectOutput(recorder);
});

const network = sampleNetwork();

describe('showing results', () => {
  it('showMasks displays the overlay at once', () => {
    fovea.showMasks({ masks: [leftHalfMask(0, 14, 7)] }, discImage(28), network, { title: 'Half' });
    expect(shown).toHaveLength(1);
    expect(shown[0]!.bundle.data[MASKS_MIME]).toMatchObject({
      title: 'Half',
      images: [{ blocks: [{ cells: '1010' }] }],
    });
    expect(Object.keys(shown[0]!.bundle.data)).toEqual(expect.arrayContaining(['image/png', 'text/plain']));
  });

  it('showLatency takes profiles, views and documents', () => {
    const profile = sampleProfile(network);
    fovea.showLatency(profile);
    fovea.showLatency([profile, profile]);
    fovea.showLatency([fovea.paretoView([{ label: 'a', ms: 1, score: 2 }])]);
    fovea.showLatency(fovea.latencyDocument(profile, { title: 'Mine' }));
    const kinds = shown.map(({ bundle }) =>
      (bundle.data[LATENCY_MIME] as { views: { kind: string }[] }).views.map((view) => view.kind).join('+'),
    );
    expect(kinds).toEqual(['breakdown', 'compare+strategies', 'pareto', 'breakdown']);
  });

  it('an id makes the second display replace the first', () => {
    fovea.showImage(discImage(16), { id: 'replaced' });
    fovea.showImage(discImage(16), { id: 'replaced' });
    expect(shown.map(({ id, update }) => [id, update])).toEqual([
      ['replaced', false],
      ['replaced', true],
    ]);
  });
});

describe('progress', () => {
  const texts = () => shown.map(({ bundle }) => String(bundle.data['text/plain']));

  it('draws one bar that is updated in place and ends full', () => {
    const bar = fovea.progress(4, { label: 'images' });
    for (let i = 0; i < 4; i++) bar.advance();
    bar.finish();
    expect(new Set(shown.map(({ id }) => id)).size).toBe(1);
    expect(shown.map(({ update }) => update)).toEqual([false, ...shown.slice(1).map(() => true)]);
    expect(texts()[0]).toMatch(/^images \[\.{30}\] 0 of 4, 0 %/);
    expect(texts().at(-1)).toMatch(/^images \[#{30}\] 4 of 4, 100 %/);
  });

  it('does not redraw for every one of many steps', () => {
    const bar = fovea.progress(100_000);
    for (let i = 0; i < 100_000; i++) bar.advance();
    bar.finish();
    expect(shown.length).toBeLessThan(100);
  });

  it('catches up by itself when steps end early', async () => {
    const bar = fovea.progress(2);
    bar.advance();
    await expect.poll(() => texts().at(-1)).toMatch(/1 of 2, 50 %/);
    bar.finish();
  });

  it('follows a list', () => {
    expect([...fovea.progress(['a', 'b'])]).toEqual(['a', 'b']);
    expect(texts().at(-1)).toMatch(/2 of 2, 100 %/);
  });

  it('refuses a total that cannot be reached, and clamps what is done', () => {
    expect(() => fovea.progress(Number.NaN)).toThrow(/positive number/);
    const bar = fovea.progress(1);
    bar.set(7);
    expect(bar.done).toBe(1);
    bar.finish();
  });
});

describe('plotly', () => {
  const data = () => shown[0]!.bundle.data;

  it('passes the figure on, typed arrays as lists', () => {
    fovea.plotly({
      data: [{ type: 'heatmap', z: [new Float32Array([1, 2])] }],
      layout: { title: { text: 'Heat' } },
    });
    expect(data()[PLOTLY_MIME]).toEqual({
      data: [{ type: 'heatmap', z: [[1, 2]] }],
      layout: { title: { text: 'Heat' } },
    });
    expect(data()['text/plain']).toMatch(/^Heat\n.*\n.*\ntrace 0 +heatmap/);
    expect(data()).not.toHaveProperty('image/png');
  });

  it('draws lines, points and bars for front ends without plotly', () => {
    fovea.plotly([
      { x: [1, 2, 3], y: [3, 1, 2] },
      { x: ['a', 'b'], y: [1, 2], type: 'bar' },
    ]);
    const { data: pixels, channels } = decodePng(Buffer.from(data()['image/png'] as string, 'base64'));
    let bars = 0;
    for (let i = 0; i < pixels.length; i += channels) {
      if (pixels[i] === 0xe3 && pixels[i + 1] === 0xa2 && pixels[i + 2] === 0x3c) bars++;
    }
    expect(bars).toBeGreaterThan(10_000);
  });

  it('refuses what is no figure', () => {
    expect(() => fovea.plotly({ data: 'x' } as never)).toThrow(/list of trace objects/);
  });
});
