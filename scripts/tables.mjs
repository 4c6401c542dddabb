// Writes docs/latency.md: predicted tables recomputed, measured ones from docs/latency-measured.json.
// `npm run tables -- --measure` first measures this machine again (run `fovea calibrate` before; some minutes).
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { builtNetwork, getDevice, predict } from '@fovea/engine';
import { predictFigure, predictRow, searchGranularity, validatePredictions } from '@fovea/engine/predict';
import { processorName } from './measured.mjs';

const devices = ['v100', 'rtx3090', 'rtx3060', 'tx2', 'nano'];
const rates = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
const divisors = { 1: [1, 2, 4, 7, 8, 14, 28], 2: [1, 2, 4, 7, 14], 3: [1, 2, 7], 4: [1, 7] };
const measuredFile = new URL('../docs/latency-measured.json', import.meta.url);
const documentFile = new URL('../docs/latency.md', import.meta.url);

const table = (header, rows) =>
  [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
const ratio = (value) => value.toFixed(2);
const named = (S) => (Number.isFinite(S) && S !== null ? String(S) : 'whole');

/** Seconds of an operator or block by the published model. */
function cost(hardware, op, config) {
  return predictRow({ op, hardware, batch: getDevice(hardware).nominalBatch, config }).latency;
}

const identityBlock = (stage) => ({ net: 'resnet101', stage });

function ratiosOf(hardware) {
  const rows = [];
  for (const [stage, list] of Object.entries(divisors)) {
    const dense = cost(hardware, 'block_static', identityBlock(Number(stage)));
    for (const S of list) {
      const at = (r) => cost(hardware, 'block_spatial', { ...identityBlock(Number(stage)), S, r });
      rows.push([stage, S, ...rates.map((r) => ratio(at(r) / dense))]);
    }
    const skipped = rates.map((r) =>
      ratio(cost(hardware, 'block_layer', { ...identityBlock(Number(stage)), r }) / dense),
    );
    rows.push([stage, 'whole', ...skipped]);
  }
  return table(['stage', 'S', ...rates.map((r) => `r ${r}`)], rows);
}

/** Fastest S of each stage among the divisors up to 8, as the literature compares them. */
function bestGranularity(hardware, r) {
  return Object.entries(divisors)
    .map(([stage, list]) => {
      const costs = list
        .filter((S) => S <= 8)
        .map((S) => [cost(hardware, 'block_spatial', { ...identityBlock(Number(stage)), S, r }), S]);
      return costs.sort((a, b) => a[0] - b[0])[0][1];
    })
    .join('-');
}

/** One identity block, fusion by fusion. */
function ablation(hardware, stage, S, r) {
  const channels = 64 << (stage - 1);
  const side = 56 >> (stage - 1);
  const outer = 4 * channels;
  const map = { h: side, w: side };
  const patches = { S, r };
  const op = (name, config) => cost(hardware, name, { ...map, ...config });
  const masker = op('conv', { cin: outer, cout: 2, ks: 1 });
  const conv1 = op('dynamic_conv', { cin: outer, cout: channels, ks: 1, ...patches });
  const fused1 = op('conv', { cin: outer, cout: channels + 1, ks: 1 });
  const gather = op('gather', { c: channels, pad: 1, ...patches });
  const spatial = { cin: channels, cout: channels, ks: 3, ...patches };
  const conv2 = op('dynamic_conv', { ...spatial, with_indexing: false });
  const fused2 = op('dynamic_conv', { ...spatial, with_indexing: true });
  const conv3 = op('dynamic_conv', { cin: channels, cout: outer, ks: 1, with_indexing: false, ...patches });
  const scatter = op('scatter', { c: outer, ...patches });
  const add = op('add', { c: outer });
  const fused4 = op('scatter_add', { c: outer, ...patches });
  const dense = cost(hardware, 'block_static', identityBlock(stage));
  const steps = [
    dense,
    masker + conv1 + gather + conv2 + conv3 + scatter + add,
    fused1 + gather + conv2 + conv3 + scatter + add,
    fused1 + fused2 + conv3 + scatter + add,
    fused1 + fused2 + conv3 + fused4,
    Math.min(fused1, masker + conv1) + fused2 + conv3 + fused4,
  ];
  const images = getDevice(hardware).nominalBatch;
  return steps.map((seconds) => ((seconds * 1e6) / images).toFixed(1));
}

function publishedPart() {
  const parts = [
    '## Published devices, published model: predicted',
    '',
    'All figures of this part are *predicted* with the cost model of the LAUDNet simulator, which Fovea reproduces',
    'to the last digit. They are no measurements.',
    '',
    '### Static and adaptive networks, ms an image (predicted)',
    '',
    table(
      ['network', 'device', 'static', 'S 1-1-1-1', 'S 4-4-2-1', 'S 8-4-7-1', 'whole blocks'],
      ['resnet50', 'resnet101'].flatMap((net) =>
        devices.map((device) => [
          net,
          device,
          ...[
            'static',
            'spatial_S1-1-1-1_r0.5',
            'spatial_S4-4-2-1_r0.5',
            'spatial_S8-4-7-1_r0.5',
            'layer_r0.5',
          ].map((figure) => predictFigure(device, net, figure).toFixed(3)),
        ]),
      ),
    ),
    '',
    'Adaptive at rate 0.5. Residual blocks only, as the published totals count.',
    '',
    '### Best S per stage (predicted)',
    '',
    'The fastest of the divisors of the map up to 8, ResNet-101 identity blocks. Published choices: 8-4-7-1 on V100,',
    '4-4-2-1 on TX2.',
    '',
    table(
      ['device', ...[0.3, 0.4, 0.5, 0.6].map((r) => `r ${r}`)],
      devices.map((device) => [device, ...[0.3, 0.4, 0.5, 0.6].map((r) => bestGranularity(device, r))]),
    ),
    '',
    '### Fusion, step by step (predicted)',
    '',
    'ResNet-101 identity block at rate 0.6, µs an image.',
    '',
    table(
      [
        'device',
        'stage',
        'S',
        'static',
        'no fusion',
        '+ masker+conv1',
        '+ gather+conv2',
        '+ scatter+add',
        'best conv1',
      ],
      devices.flatMap((device) =>
        [
          [1, 4],
          [2, 4],
          [3, 2],
          [4, 1],
        ].map(([stage, S]) => [device, stage, S, ...ablation(device, stage, S, 0.6)]),
      ),
    ),
    '',
    '### Latency ratio against rate (predicted)',
    '',
    'ResNet-101 identity block: adaptive over static latency, all three fusions.',
  ];
  for (const device of devices) parts.push('', `#### ${device} (predicted)`, '', ratiosOf(device));
  return parts.join('\n');
}

function foveaPart() {
  const network = builtNetwork('resnet101');
  const all = [...devices, 'gtx1080', 'a100', 'h100', 'h200', 'cpu-avx2', 'cpu-avx512'];
  const rows = all.map((device) => {
    const time = (strategy, rate = 0.5) => {
      const { totalMs, batch } = predict(network, { device, strategy, rate, granularity: [8, 4, 7, 1] });
      return (totalMs / batch).toFixed(3);
    };
    const { stages } = searchGranularity(network, device, { rate: 0.5, granularities: [1, 2, 4, 7, 8] });
    const best = stages.map(({ best: { granularity } }) => granularity).join('-');
    return [device, time('dense', 1), time('unfused'), time('lasnet'), time('streamed'), best];
  });
  return [
    "## All devices, Fovea's model: predicted",
    '',
    'Whole ResNet-101 with stem and head, ms an image, from data sheets: *predicted*. Adaptive at rate 0.5 with',
    'S 8-4-7-1; conv1 is counted on the dilated mask, index lists and projections are counted. The last column is the',
    'fastest S per stage among 1, 2, 4, 7 and 8 at equal rate: coarser masks always save a little, so what decides in',
    'practice is how much accuracy a coarser mask costs.',
    '',
    table(['device', 'dense', 'unfused', 'lasnet', 'streamed', 'fastest S'], rows),
  ].join('\n');
}

async function measure() {
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
  writeFileSync(measuredFile, `${JSON.stringify(measured)}\n`);
  return measured;
}

function measuredPart({ machine, cores, date, network, rows, summary, slowdown }) {
  const dense = rows.find(({ strategy }) => strategy === 'dense');
  const measuredRates = [...new Set(rows.filter((row) => row !== dense).map(({ rate }) => rate))];
  const sizes = [...new Set(rows.filter((row) => row !== dense).map(({ granularity }) => granularity))];
  const find = (strategy, granularity, rate) =>
    rows.find((row) => row.strategy === strategy && row.granularity === granularity && row.rate === rate);
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const parts = [
    `## One machine: measured`,
    '',
    `${machine}, ${cores} cores, one thread, native backend, ${network} at 224 x 224, ${date}: *measured* medians, beside`,
    'the prediction for the same plan by the calibrated model.',
    '',
    '### Latency ratio against rate, `streamed` (measured)',
    '',
    'Adaptive over dense time of all blocks of a stage.',
    '',
    table(
      ['stage', 'S', ...measuredRates.map((rate) => `r ${rate}`)],
      [0, 1, 2, 3].flatMap((stage) =>
        sizes.map((S) => [
          stage + 1,
          named(S),
          ...measuredRates.map((rate) =>
            ratio(find('streamed', S, rate).measuredStages[stage] / dense.measuredStages[stage]),
          ),
        ]),
      ),
    ),
    '',
    '### Fusion (measured, predicted)',
    '',
    'Whole network at S = 4, ms.',
    '',
    table(
      [
        'rate',
        'dense',
        ...['unfused', 'lasnet', 'streamed'].flatMap((name) => [`${name} measured`, 'predicted']),
      ],
      measuredRates.map((rate) => [
        rate,
        dense.measuredMs.toFixed(1),
        ...['unfused', 'lasnet', 'streamed'].flatMap((strategy) => {
          const row = find(strategy, 4, rate);
          return [row.measuredMs.toFixed(1), row.predictedMs.toFixed(1)];
        }),
      ]),
    ),
    '',
    '### Best S per stage, `streamed` (measured, predicted)',
    '',
    'Fastest of the S measured, the whole map aside.',
    '',
    table(
      ['rate', 'measured', 'predicted'],
      measuredRates.map((rate) => [
        rate,
        ...['measuredStages', 'predictedStages'].map((field) =>
          [0, 1, 2, 3]
            .map((stage) => {
              const whole = 56 >> stage;
              return sizes
                .filter((S) => S !== null && S <= whole)
                .map((S) => [find('streamed', S, rate)[field][stage], S])
                .sort((a, b) => a[0] - b[0])[0][1];
            })
            .join('-'),
        ),
      ]),
    ),
    '',
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
  return parts.join('\n');
}

function storedMeasurement() {
  try {
    return JSON.parse(readFileSync(measuredFile, 'utf8'));
  } catch {
    return undefined;
  }
}

const measured = process.argv.includes('--measure') ? await measure() : storedMeasurement();
writeFileSync(
  documentFile,
  `${[
    '# Latency, predicted and measured',
    'Written by `npm run tables`; the measured part is renewed by `npm run tables -- --measure` on a calibrated machine.',
    publishedPart(),
    foveaPart(),
    ...(measured ? [measuredPart(measured)] : []),
  ].join('\n\n')}\n`,
);
// As `npm run lint` wants it; the same tables then leave the file as it is.
const biome = fileURLToPath(new URL('../node_modules/@biomejs/biome/bin/biome', import.meta.url));
const { status } = spawnSync(
  process.execPath,
  [biome, 'format', '--write', ...[documentFile, measuredFile].map(fileURLToPath)],
  {
    stdio: ['ignore', 'ignore', 'inherit'],
  },
);
process.exitCode = status ?? 1;
