import { writeFileSync } from 'node:fs';
import { Tensor } from '@fovea/engine';
import { it } from 'vitest';
import * as L from '../../../kernel/src/display/documents/latency.js';
import { masksDocument } from '../../../kernel/src/display/documents/masks.js';
import { drawLatency } from '../../../kernel/src/display/draw/latency.js';
import { drawMasks } from '../../../kernel/src/display/draw/masks.js';
import { rasterise } from '../../../kernel/src/display/draw/raster.js';
import { discImage, leftHalfMask, sampleNetwork, sampleProfile, seeded } from './samples.js';

it('p', () => {
  const net = sampleNetwork([3, 4, 6, 3]);
  const p = sampleProfile(net, { kind: 'predicted' }),
    m = sampleProfile(net, { seed: 2 });
  const t = performance.now();
  const r = rasterise(drawLatency(L.latencyDocument([p, m])));
  console.log(performance.now() - t, r.png.length, r.width, r.height);
  writeFileSync('/tmp/lang-compare.png', r.png);
  writeFileSync(
    '/tmp/lang-break.png',
    rasterise(drawLatency(L.latencyDocument(sampleProfile(sampleNetwork([2, 2]))))).png,
  );
  const curve = (label: string, k: number, origin: 'predicted' | 'measured'): any => ({
    label,
    device: 'x',
    stage: 0,
    granularity: 4,
    origin,
    points: [0.1, 0.3, 0.5, 0.7, 0.9, 1].map((rate) => ({ rate, ratio: rate * k + 0.1 })),
    breakEven: Math.min(1, 0.9 / k),
  });
  writeFileSync(
    '/tmp/lang-ratio.png',
    rasterise(
      drawLatency({
        version: 1,
        views: [
          {
            kind: 'ratio',
            series: [
              curve('stage 1 S=4', 1.2, 'predicted'),
              curve('stage 1 S=7', 0.9, 'measured'),
              curve('stage 2 S=1', 1.5, 'predicted'),
            ],
          },
          L.paretoView([
            { label: 'dense', ms: 80, score: 0.768, origin: 'measured' },
            { label: 'lasnet 0.5', ms: 50, score: 0.765 },
            { label: 'lasnet 0.3', ms: 35, score: 0.75 },
            { label: 'bad', ms: 60, score: 0.74 },
            { label: 'published t=0.4', ms: 45, score: 0.763, origin: 'published' },
          ]),
        ],
      }),
    ).png,
  );
  const random = seeded(5);
  const masks = net.nodes.map((_, i) => {
    const side = i < 3 ? 56 : i < 7 ? 28 : i < 13 ? 14 : 7;
    const mk = leftHalfMask(i, side, i < 3 ? 8 : i < 7 ? 4 : i < 13 ? 2 : 1);
    for (let c = 0; c < mk.cells.length; c++) {
      const r = Math.floor(c / mk.columns),
        q = c % mk.columns;
      mk.cells[c] = Math.hypot(q / mk.columns - 0.33, r / mk.rows - 0.5) < 0.3 + random() * 0.1 ? 1 : 0;
    }
    return mk;
  });
  const doc = masksDocument(
    { masks, output: new Tensor([1, 1, 1, 3], new Float32Array([1, 5, 2])), profile: m },
    discImage(224),
    net,
  );
  const t2 = performance.now();
  const r2 = rasterise(drawMasks(doc));
  console.log(performance.now() - t2, r2.png.length, JSON.stringify(doc).length);
  writeFileSync('/tmp/lang-masks.png', r2.png);
});
