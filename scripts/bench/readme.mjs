/**
 * The tables of measurements: random masks, whose place does not matter, beside saliency, which looks at the image and
 * decides in the time that is measured. Answers are checked before anything is timed.
 *
 * npm run bench readme -- [--models resnet50,…] [--threads 1,2] [--rates 1,0.75,0.5,0.25] [--runs 40] [--write]
 *
 * Prints the table; with --write puts it into docs/measured.md and a short form into README.md, between the lines that
 * mark them.
 */
import os from 'node:os';
import { parseArgs } from 'node:util';
import { builtNetwork } from '@fovea/engine';
import { stageCount } from '@fovea/engine/internal';
import { benchmark } from '@fovea/engine/predict';
import { generateDataset, imagesOf } from '@fovea/engine/train';
import { replaceMarked, tableOf } from '../marked.mjs';
import { processorName, titleOf } from '../measured.mjs';

const networks = 'resnet50,resnet101,regnet_y_800mf,mobilenet_v2';
const maskers = ['random', 'saliency'];
const command = 'npm run bench readme -- --write';
/** The seed of a scene that no shipped network was trained on. */
const sceneSeed = 77_000_001;

const numbers = (text) => text.split(',').map(Number);
const ms = (value) => value.toFixed(1);
const ratio = (value) => value.toFixed(2);
const percent = (share) => `${(100 * share).toFixed(1).replace(/\.0$/, '')} %`;

/** S of every stage: 4-4-2-1 for four stages, 4 elsewhere. */
const granularityOf = (network) => (stageCount(network) === 4 ? [4, 4, 2, 1] : 4);

/** One network on so many threads: a row a rate. */
async function rowsOf(model, { threads, rates, runs }) {
  const network = builtNetwork(model);
  const { height } = network.inputShape;
  const input = imagesOf(await generateDataset({ seed: sceneSeed, count: 1, size: height }), 1);
  const results = [];
  for (const masker of maskers) {
    const options = { masker, rates, runs, threads, input, granularity: granularityOf(network) };
    results.push(await benchmark(network, options));
  }
  const [random, saliency] = results;
  return {
    source: random.source,
    rows: random.rows.map((row, i) => ({ rate: row.rate, random: row, saliency: saliency.rows[i] })),
  };
}

function cellsOf({ rate, random, saliency }) {
  const dense = (random.denseMs.median + saliency.denseMs.median) / 2;
  const engine = ({ engineMs, speedup, flopsFraction, realisedOverIdeal }) => [
    ms(engineMs.median),
    `${ratio(speedup)}x`,
    percent(flopsFraction),
    ratio(realisedOverIdeal),
  ];
  return [String(rate), ms(dense), ...engine(random), ...engine(saliency)];
}

const header = ['model', 'threads', 'rate', 'onnxruntime dense, ms'];
for (const masker of maskers) {
  header.push(`Fovea, ${masker}, ms`, 'speed-up', 'FLOPs left', 'realised/ideal');
}

/** For the README: a line per network and number of threads, with saliency's times and speed-ups at each rate. */
function shortened(lines) {
  const rates = [...new Set(lines.map(([, , rate]) => rate))];
  const short = [];
  for (const [model, threads, , dense, , , , , engine, speedup] of lines) {
    if (threads !== '') short.push([model, threads, dense]);
    short.at(-1).push(`${engine} (${speedup})`);
  }
  return tableOf(
    ['model', 'threads', 'onnxruntime dense, ms', ...rates.map((rate) => `rate ${rate}`)],
    short,
  );
}

export async function bench(args) {
  const { values } = parseArgs({
    args,
    options: {
      models: { type: 'string', default: networks },
      threads: { type: 'string', default: '1,2' },
      rates: { type: 'string', default: '1,0.75,0.5,0.25' },
      runs: { type: 'string', default: '40' },
      write: { type: 'boolean', default: false },
    },
  });
  const lines = [];
  let ran = '';
  for (const model of values.models.split(',')) {
    for (const [i, threads] of numbers(values.threads).entries()) {
      process.stderr.write(`${model}, ${threads} threads\n`);
      const measured = await rowsOf(model, {
        threads,
        rates: numbers(values.rates),
        runs: Number(values.runs),
      });
      ran = measured.source;
      measured.rows.forEach((row, j) => {
        const title = i + j === 0 ? titleOf(model) : '';
        lines.push([title, j === 0 ? String(threads) : '', ...cellsOf(row)]);
      });
    }
  }
  const text = [
    `${processorName()}, ${os.availableParallelism()} cores, ${ran}, Node ${process.versions.node}; one image of 224 x 224, S = 4-4-2-1 (MobileNetV2: 4), medians of ${values.runs} runs that alternate with onnxruntime's dense execution in one process. Random masks do not depend on the image. Saliency masks do, and their time includes the pools and decisions that they need. Every answer was first checked against a plain run on another backend. \`npx fovea bench MODEL --masker saliency --granularity 4,4,2,1 --threads N --runs ${values.runs}\` measures one network.`,
    tableOf(header, lines),
  ].join('\n\n');
  if (!values.write) {
    process.stdout.write(`${text}\n`);
    return;
  }
  replaceMarked('README.md', command, shortened(lines));
  replaceMarked('docs/measured.md', command, text);
}
