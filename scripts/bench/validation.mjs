/**
 * How far predictions are from measurements: each network is calibrated for and measured in turns, so that the machine
 * is equally fast for both.
 *
 * npm run bench validation -- [--models resnet18,…] [--threads 1,2] [--runs 8] [--seconds 24] [--write]
 *
 * Prints the table; with --write puts it into docs/prediction.md and a short form into README.md, between the lines
 * that mark them.
 */
import os from 'node:os';
import { parseArgs } from 'node:util';
import { builtNetwork, loadShippedModel, shippedModelNames } from '@fovea/engine';
import { validatePredictions } from '@fovea/engine/predict';
import { replaceMarked, tableOf } from '../marked.mjs';
import { processorName, titleOf } from '../measured.mjs';

// The shipped one is small: its weights stay in the caches, and what a run takes beside its passes counts.
const networks = 'quick-look,resnet18,resnet50,mobilenet_v2,regnet_y_800mf';
const networkOf = async (name) =>
  shippedModelNames.includes(name) ? loadShippedModel(name) : builtNetwork(name);
const command = 'npm run bench validation -- --write';
const percent = (share) => `${(100 * share).toFixed(1)} %`;

const header = [
  'network',
  'threads',
  'blocks within 10 %',
  'of halves',
  'totals within 5 %',
  'of halves',
  'median error of a total',
  'worst choice',
];

function cellsOf({ summary }) {
  return [
    percent(summary.blocksWithin10),
    percent(summary.repeated.blocksWithin10),
    percent(summary.plansWithin5),
    percent(summary.repeated.plansWithin5),
    percent(summary.medianPlanError),
    percent(summary.worstChoiceLoss),
  ];
}

export async function bench(args) {
  const { values } = parseArgs({
    args,
    options: {
      models: { type: 'string', default: networks },
      threads: { type: 'string', default: '1,2' },
      runs: { type: 'string', default: '8' },
      seconds: { type: 'string', default: '24' },
      write: { type: 'boolean', default: false },
    },
  });
  const lines = [];
  for (const model of values.models.split(',')) {
    const network = await networkOf(model);
    for (const threads of values.threads.split(',').map(Number)) {
      process.stderr.write(`${model}, ${threads} threads\n`);
      const validation = await validatePredictions(network, {
        threads: [threads],
        runs: Number(values.runs),
        calibrateSeconds: Number(values.seconds),
      });
      lines.push([titleOf(model), String(threads), ...cellsOf(validation)]);
    }
  }
  const text = [
    `${processorName()}, ${os.availableParallelism()} cores, Node ${process.versions.node}; one image of 224 x 224 (quick-look: 128 x 128), all S, five rates and four strategies (the defaults of \`fovea validate\`), medians of ${values.runs} runs, in turns with a calibration of ${values.seconds} s for each row (\`npx fovea validate MODEL --threads N --runs ${values.runs} --calibrate ${values.seconds}\`).`,
    tableOf(header, lines),
  ].join('\n\n');
  if (!values.write) {
    process.stdout.write(`${text}\n`);
    return;
  }
  replaceMarked(
    'README.md',
    command,
    tableOf(
      [header[0], header[1], header[2], header[4], header[7]],
      lines.map((line) => [line[0], line[1], line[2], line[4], line[7]]),
    ),
  );
  replaceMarked('docs/prediction.md', command, text);
}
