/** What the published model predicts for the published devices. */
import { getDevice } from '@fovea/engine';
import { predictFigure, predictRow } from '@fovea/engine/predict';
import { ratio, table } from './format.mjs';

/** Devices of the publication. */
export const devices = ['v100', 'rtx3090', 'rtx3060', 'tx2', 'nano'];
const rates = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
const divisors = { 1: [1, 2, 4, 7, 8, 14, 28], 2: [1, 2, 4, 7, 14], 3: [1, 2, 7], 4: [1, 7] };

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

const wholeNetworks = () => {
  const figures = [
    'static',
    'spatial_S1-1-1-1_r0.5',
    'spatial_S4-4-2-1_r0.5',
    'spatial_S8-4-7-1_r0.5',
    'layer_r0.5',
  ];
  return [
    '### Static and adaptive networks, ms an image (predicted)',
    '',
    table(
      ['network', 'device', 'static', 'S 1-1-1-1', 'S 4-4-2-1', 'S 8-4-7-1', 'whole blocks'],
      ['resnet50', 'resnet101'].flatMap((net) =>
        devices.map((device) => [
          net,
          device,
          ...figures.map((figure) => predictFigure(device, net, figure).toFixed(3)),
        ]),
      ),
    ),
    '',
    'Adaptive at rate 0.5. Residual blocks only, as the published totals count.',
  ];
};

const bestSizes = () => {
  const compared = [0.3, 0.4, 0.5, 0.6];
  return [
    '### Best S per stage (predicted)',
    '',
    'The fastest of the divisors of the map up to 8, ResNet-101 identity blocks. Published choices: 8-4-7-1 on V100,',
    '4-4-2-1 on TX2.',
    '',
    table(
      ['device', ...compared.map((r) => `r ${r}`)],
      devices.map((device) => [device, ...compared.map((r) => bestGranularity(device, r))]),
    ),
  ];
};

const fusions = () => {
  const steps = ['static', 'no fusion', '+ masker+conv1', '+ gather+conv2', '+ scatter+add', 'best conv1'];
  const places = [
    [1, 4],
    [2, 4],
    [3, 2],
    [4, 1],
  ];
  return [
    '### Fusion, step by step (predicted)',
    '',
    'ResNet-101 identity block at rate 0.6, µs an image.',
    '',
    table(
      ['device', 'stage', 'S', ...steps],
      devices.flatMap((device) =>
        places.map(([stage, S]) => [device, stage, S, ...ablation(device, stage, S, 0.6)]),
      ),
    ),
  ];
};

const ratios = () => [
  '### Latency ratio against rate (predicted)',
  '',
  'ResNet-101 identity block: adaptive over static latency, all three fusions.',
  ...devices.flatMap((device) => ['', `#### ${device} (predicted)`, '', ratiosOf(device)]),
];

export const publishedPart = () =>
  [
    '## Published devices, published model: predicted',
    '',
    'All figures of this part are *predicted* with the cost model of the LAUDNet simulator, which Fovea reproduces',
    'to the last digit. They are no measurements.',
    ...[wholeNetworks, bestSizes, fusions, ratios].flatMap((section) => ['', ...section()]),
  ].join('\n');
