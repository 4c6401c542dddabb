import type {
  LatencyDocument,
  LatencyProfile,
  LatencyView,
  MasksBlock,
  MasksDocument,
  Origin,
  SweepDocument,
} from '../../../extension/src/documents/types';
import { latencyDocument, paretoView } from '../../../kernel/src/index';
import { png } from './png';

/** A ball on a lawn under a sky: something to look at, in the middle of plainer things. */
export const scene = (side: number, shift = 0) =>
  png(side, side, (x, y) => {
    const u = x / side;
    const v = y / side;
    const d = Math.hypot(u - 0.5 - shift, v - 0.58);
    if (d < 0.24) {
      const light = Math.max(0, 1 - Math.hypot(u - 0.43 - shift, v - 0.5) * 2.6);
      const stripe = Math.abs(Math.sin((u - shift) * 14 + v * 9)) > 0.7 ? 0.75 : 1;
      return [(190 + 65 * light) * stripe, (70 + 120 * light) * stripe, 60 * stripe];
    }
    if (v > 0.66) {
      const blade = 0.85 + 0.15 * Math.sin(u * 90 + Math.cos(v * 70) * 3);
      return [80 * blade, 150 * blade * (1.25 - v * 0.5), 70 * blade];
    }
    return [120 + 90 * v, 170 + 60 * v, 235 - 10 * v];
  });

const GRIDS = [
  { stage: 0, map: 56, S: 8, blocks: 3 },
  { stage: 1, map: 28, S: 4, blocks: 4 },
  { stage: 2, map: 14, S: 2, blocks: 6 },
  { stage: 3, map: 7, S: 1, blocks: 3 },
] as const;

/** A mask that is active around the ball, a little differently in every block. */
export function maskBlock(index: number, stage: number, map: number, S: number, shift = 0): MasksBlock {
  const grid = Math.floor(map / S);
  let cells = '';
  const margins = new Int8Array(grid * grid);
  let active = 0;
  for (let row = 0; row < grid; row++) {
    for (let column = 0; column < grid; column++) {
      const d = Math.hypot((column + 0.5) / grid - 0.5 - shift, (row + 0.5) / grid - 0.58);
      const margin = 0.3 + 0.05 * Math.sin(index * 2.3) - d + 0.06 * Math.sin(index + row * 3 + column * 5);
      margins[row * grid + column] = Math.max(-127, Math.min(127, Math.round(margin * 200)));
      cells += margin > 0 ? '1' : '0';
      if (margin > 0) active += 1;
    }
  }
  return {
    index,
    name: `layer${stage + 1}.${index}`,
    stage,
    granularity: S,
    rate: active / (grid * grid),
    rows: grid,
    columns: grid,
    height: map,
    width: map,
    cells,
    margins: { scale: 0.02, base64: Buffer.from(margins.buffer).toString('base64') },
  };
}

/** Sixteen blocks in four stages over one or more images. */
export function sampleMasks(images = 1): MasksDocument {
  return {
    version: 1,
    title: 'Where the network looks',
    network: 'lasnet-50',
    strategy: 'learned masks',
    images: Array.from({ length: images }, (_, at) => {
      const shift = at * 0.16 - (images > 1 ? 0.1 : 0);
      let index = 0;
      return {
        name: ['ball.png', 'ball-right.png', 'far-right.png'][at] ?? `image-${at}.png`,
        width: 224,
        height: 224,
        png: scene(224, shift),
        top: [
          { label: 'soccer ball', probability: 0.812 },
          { label: 'balloon', probability: 0.094 },
          { label: 'parachute', probability: 0.031 },
        ],
        blocks: GRIDS.flatMap(({ stage, map, S, blocks }) =>
          Array.from({ length: blocks }, () => maskBlock(index++, stage, map, S, shift)),
        ),
      };
    }),
  };
}

/** Four cells over four pixels: whatever is drawn can be worked out by hand. */
export function tinyMasks(): MasksDocument {
  const block = (index: number, cells: string): MasksBlock => ({
    index,
    name: `block${index}`,
    stage: 0,
    granularity: 2,
    rate: 0.25,
    rows: 2,
    columns: 2,
    height: 4,
    width: 4,
    cells,
  });
  return {
    version: 1,
    network: 'tiny',
    images: [
      {
        name: 'white.png',
        width: 4,
        height: 4,
        png: png(4, 4, () => [255, 255, 255]),
        blocks: [block(0, '1000'), block(1, '0001'), block(2, '1001')],
      },
    ],
  };
}

export function sampleProfile(label: string, origin: Origin, factor = 1): LatencyProfile {
  let block = 0;
  const blocks = GRIDS.flatMap(({ stage, map, S, blocks: count }) =>
    Array.from({ length: count }, () => {
      const totalMs = factor * (0.9 + 0.25 * Math.sin(block * 1.7) + (map === 7 ? 0.3 : 0));
      const index = block++;
      return {
        block: index,
        name: `layer${stage + 1}.${index}`,
        stage,
        granularity: S,
        rate: 0.3 + 0.1 * Math.sin(index),
        totalMs,
        computeMs: totalMs * 0.72,
        dataMs: totalMs * 0.2,
        overheadMs: totalMs * 0.08,
      };
    }),
  );
  const ops = [
    {
      name: 'stem',
      block: -1,
      primitives: ['conv'],
      totalMs: 1.2 * factor,
      computeMs: 1 * factor,
      dataMs: 0.15 * factor,
      overheadMs: 0.05 * factor,
    },
    ...blocks.flatMap((each) =>
      [
        ['mask + conv1', 0.35],
        ['gather + conv2', 0.4],
        ['conv3 + scatter', 0.25],
      ].map(([name, part]) => ({
        name: name as string,
        block: each.block,
        primitives: (name as string).split(' + '),
        totalMs: each.totalMs * (part as number),
        computeMs: each.computeMs * (part as number),
        dataMs: each.dataMs * (part as number),
        overheadMs: each.overheadMs * (part as number),
      })),
    ),
  ];
  return {
    label,
    origin,
    device: 'zen3-1core',
    strategy: 'lasnet',
    batch: 1,
    threads: 1,
    totalMs: ops.reduce((sum, op) => sum + op.totalMs, 0),
    blocks,
    ops,
  };
}

/** One view of every kind. */
export function sampleViews(): LatencyView[] {
  const rates = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
  const series = (stage: number, granularity: number, origin: Origin, slope: number, floor: number) => ({
    label: `stage ${stage + 1}, S=${granularity}`,
    device: 'zen3-1core',
    stage,
    granularity,
    origin,
    points: rates.map((rate) => ({ rate, ratio: floor + slope * rate })),
    breakEven: (1 - floor) / slope,
  });
  return [
    {
      kind: 'compare',
      profiles: [sampleProfile('lasnet-50', 'predicted'), sampleProfile('lasnet-50', 'measured', 1.06)],
    },
    { kind: 'breakdown', profile: sampleProfile('lasnet-50', 'measured') },
    {
      kind: 'ratio',
      series: [
        series(0, 8, 'predicted', 1.02, 0.08),
        series(0, 8, 'measured', 1.05, 0.09),
        series(2, 2, 'predicted', 1.1, 0.14),
        series(2, 2, 'measured', 1.14, 0.17),
        series(3, 1, 'published', 1.2, 0.3),
      ],
    },
    {
      kind: 'fusion',
      baselineMs: 23.4,
      bars: [
        {
          label: 'no fusion',
          origin: 'predicted',
          totalMs: 21.3,
          computeMs: 11,
          dataMs: 7.5,
          overheadMs: 2.8,
        },
        {
          label: 'masker + conv1',
          origin: 'predicted',
          totalMs: 18.9,
          computeMs: 11,
          dataMs: 5.7,
          overheadMs: 2.2,
        },
        {
          label: '… gather + conv2',
          origin: 'predicted',
          totalMs: 15.2,
          computeMs: 11,
          dataMs: 3,
          overheadMs: 1.2,
        },
        {
          label: '… gather + conv2',
          origin: 'measured',
          totalMs: 15.9,
          computeMs: 11.4,
          dataMs: 3.2,
          overheadMs: 1.3,
        },
      ],
    },
    {
      kind: 'strategies',
      bars: [
        { label: 'unfused', origin: 'measured', totalMs: 21.3 },
        { label: 'lasnet', origin: 'measured', totalMs: 15.4 },
        { label: 'streamed', origin: 'measured', totalMs: 12.8 },
        { label: 'auto', origin: 'predicted', totalMs: 12.1 },
      ],
      baselineMs: 23.4,
    },
    {
      kind: 'pareto',
      yLabel: 'Top-1 accuracy, %',
      points: [
        { label: 'dense', ms: 23.4, score: 76.8, onFront: true, origin: 'measured' },
        { label: 'S 4-4-2-1', ms: 14.1, score: 76.5, onFront: true, origin: 'measured' },
        { label: 'S 8-4-7-1', ms: 12.2, score: 76.0, onFront: true, origin: 'predicted' },
        { label: 'S 1-1-1-1', ms: 19.2, score: 76.1, onFront: false, origin: 'measured' },
        { label: 'LASNet (paper)', ms: 16.4, score: 76.2, onFront: false, origin: 'published' },
      ],
    },
  ];
}

export function sampleLatency(): LatencyDocument {
  return { version: 1, title: 'lasnet-50 on this machine', views: sampleViews() };
}

/** What a fake kernel offers to the live panel. */
export function sampleAnswers() {
  const masks = sampleMasks(1);
  const maps = [56, 28, 14, 7].map((side) => ({ height: side, width: side }));
  return {
    catalogue: {
      networks: [
        { name: 'lasnet-50', stages: 4, learned: true, maps },
        { name: 'resnet-50', stages: 4, learned: false, maps },
        { name: 'small', stages: 2, learned: false, maps: maps.slice(2) },
      ],
      images: [0, 0.16, -0.2].map((shift, index) => ({ name: `ball-${index}.png`, png: scene(112, shift) })),
      devices: [
        { name: 'this-machine', kind: 'this-machine' as const },
        { name: 'cpu-avx2', kind: 'generic-cpu' as const },
        { name: 'v100', kind: 'other' as const },
      ],
      strategies: ['unfused', 'lasnet', 'streamed', 'auto'],
      maxThreads: 2,
      state: {
        network: 'lasnet-50',
        image: 'ball-0.png',
        device: 'this-machine',
        strategy: 'streamed',
        granularity: [8, 4, 2, 1],
        masker: 'saliency' as const,
        rate: 0.4,
        threads: 1,
      },
    },
    profile: sampleProfile('lasnet-50', 'predicted'),
    dense: sampleProfile('lasnet-50, dense', 'predicted', 1.9),
    masks,
  };
}

/** A sweep of 24 points, of which some have ended. */
export function sampleSweep(state: SweepDocument['state'], completed = 6): SweepDocument {
  const rates = [0.25, 0.5, 1];
  const rows = Array.from({ length: completed }, (_, i) => [
    'quick-look',
    i % 2 ? '8,4,7,1' : '4',
    rates[i % 3]!,
    1.4 + i / 3,
    0.6 + i / 15,
    'tx2-1',
  ]);
  const points = rows.map((row, i) => ({
    label: `S=${row[1]} r=${row[2]}`,
    ms: 1.4 + i / 3,
    score: 0.6 + (i % 4) / 10,
    origin: 'measured' as const,
  }));
  return {
    ...{ version: 1, id: 'd1', name: 'first', state, points: 24, completed, failed: 1, elapsedMs: 42_000 },
    ...(state === 'running' ? { leftMs: 125_000 } : {}),
    running: state === 'running' ? [{ label: 'quick-look S=4 r=0.5', worker: 'tx2-1', fraction: 0.4 }] : [],
    notices: state === 'running' ? ['3 points for gpu=a100 wait: no worker serves this queue'] : [],
    table: { columns: ['network', 'granularity', 'rate', 'adaptiveMs', 'accuracy', 'worker'], rows },
    ...(points.length > 0 ? { latency: latencyDocument([paretoView(points, { yLabel: 'accuracy' })]) } : {}),
  };
}
