/** What one machine measured, beside the prediction of its calibrated model. */
import os from 'node:os';
import { builtNetwork } from '@fovea/engine';
import { validatePredictions } from '@fovea/engine/predict';
import { processorName } from '../measured.mjs';
import { named, ratio, table } from './format.mjs';

/** Measures this machine, some minutes; what `measuredPart` writes, as docs/latency-measured.json keeps it. */
export async function measure() {
  const network = builtNetwork('resnet50');
  const validation = await validatePredictions(network, {
    granularities: [1, 2, 4, 7, 8, Number.POSITIVE_INFINITY],
    rates: [0.1, 0.3, 0.5, 0.7, 1],
    runs: 8,
    onProgress: (fraction, what) => process.stderr.write(`\r${Math.round(100 * fraction)} % ${what}   `),
  });
  const stageOf = network.nodes.flatMap((node) => (node.kind === 'block' ? [node.block.stage] : []));
  const stages = (blocks, field) => {
    const sums = [0, 0, 0, 0];
    for (const block of blocks) sums[stageOf[block.block]] += block[field];
    return sums.map((ms) => Number(ms.toFixed(4)));
  };
  const measured = {
    machine: processorName(),
    cores: os.cpus().length,
    date: new Date().toISOString().slice(0, 10),
    network: validation.network,
    summary: validation.summary,
    slowdown: validation.slowdown[1],
    rows: validation.rows.map(
      ({ strategy, granularity, rate, threads, measuredMs, predictedMs, blocks }) => ({
        strategy,
        granularity: Number.isFinite(granularity) ? granularity : null,
        rate,
        threads,
        measuredMs: Number(measuredMs.toFixed(3)),
        predictedMs: Number(predictedMs.toFixed(3)),
        measuredStages: stages(blocks, 'measuredMs'),
        predictedStages: stages(blocks, 'predictedMs'),
      }),
    ),
  };
  process.stderr.write('\n');
  return measured;
}

/** Rows of a measurement by what they are of, and which rates and S there are. */
function readRows(rows) {
  const dense = rows.find(({ strategy }) => strategy === 'dense');
  const adaptive = rows.filter((row) => row !== dense);
  return {
    dense,
    rates: [...new Set(adaptive.map(({ rate }) => rate))],
    sizes: [...new Set(adaptive.map(({ granularity }) => granularity))],
    find: (strategy, granularity, rate) =>
      rows.find((row) => row.strategy === strategy && row.granularity === granularity && row.rate === rate),
  };
}

const ratios = ({ dense, rates, sizes, find }) => [
  '### Latency ratio against rate, `streamed` (measured)',
  '',
  'Adaptive over dense time of all blocks of a stage.',
  '',
  table(
    ['stage', 'S', ...rates.map((rate) => `r ${rate}`)],
    [0, 1, 2, 3].flatMap((stage) =>
      sizes.map((S) => [
        stage + 1,
        named(S),
        ...rates.map((rate) =>
          ratio(find('streamed', S, rate).measuredStages[stage] / dense.measuredStages[stage]),
        ),
      ]),
    ),
  ),
];

const fusions = ({ dense, rates, find }) => {
  const strategies = ['unfused', 'lasnet', 'streamed'];
  return [
    '### Fusion (measured, predicted)',
    '',
    'Whole network at S = 4, ms.',
    '',
    table(
      ['rate', 'dense', ...strategies.flatMap((name) => [`${name} measured`, 'predicted'])],
      rates.map((rate) => [
        rate,
        dense.measuredMs.toFixed(1),
        ...strategies.flatMap((strategy) => {
          const row = find(strategy, 4, rate);
          return [row.measuredMs.toFixed(1), row.predictedMs.toFixed(1)];
        }),
      ]),
    ),
  ];
};

const bestSizes = ({ rates, sizes, find }) => {
  const bestOf = (field, rate, stage) => {
    const whole = 56 >> stage;
    return sizes
      .filter((S) => S !== null && S <= whole)
      .map((S) => [find('streamed', S, rate)[field][stage], S])
      .sort((a, b) => a[0] - b[0])[0][1];
  };
  return [
    '### Best S per stage, `streamed` (measured, predicted)',
    '',
    'Fastest of the S measured, the whole map aside.',
    '',
    table(
      ['rate', 'measured', 'predicted'],
      rates.map((rate) => [
        rate,
        ...['measuredStages', 'predictedStages'].map((field) =>
          [0, 1, 2, 3].map((stage) => bestOf(field, rate, stage)).join('-'),
        ),
      ]),
    ),
  ];
};

const errors = ({ summary, slowdown }) => {
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  return [
    '### How far predictions were from measurements',
    '',
    `${percent(summary.blocksWithin10)} of ${summary.blocks} blocks within 10 % (median error ${percent(summary.medianBlockError)});`,
    `${percent(summary.plansWithin5)} of ${summary.plans} network totals within 5 % (median error ${percent(summary.medianPlanError)}).`,
    'Every pass is corrected to the pace of the calibration: what shares a core takes a part of it that changes from one',
    `second to the next, and is timed between the passes (here ${slowdown.toFixed(2)} times as long as at the calibration).`,
    `By wall clock, without pace correction, ${percent(summary.unadjusted.blocksWithin10)} of the blocks were within 10 % and ${percent(summary.unadjusted.plansWithin5)} of the totals within 5 %.`,
    `Measured against itself, one half of the runs against the other: ${percent(summary.repeated.blocksWithin10)} and`,
    `${percent(summary.repeated.plansWithin5)}. Taking S and strategy as predicted cost at most ${percent(summary.worstChoiceLoss)} over the`,
    `best measured (median ${percent(summary.medianChoiceLoss)}).`,
  ];
};

export function measuredPart({ machine, cores, date, network, rows, summary, slowdown }) {
  const read = readRows(rows);
  return [
    '## One machine: measured',
    '',
    `${machine}, ${cores} cores, one thread, native backend, ${network} at 224 x 224, ${date}: *measured* medians, beside`,
    'the prediction for the same plan by the calibrated model.',
    ...[ratios, fusions, bestSizes].flatMap((section) => ['', ...section(read)]),
    '',
    ...errors({ summary, slowdown }),
  ].join('\n');
}
