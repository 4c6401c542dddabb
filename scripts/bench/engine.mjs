/**
 * Whole networks: the engine at several activation rates against onnxruntime dense, run alternately in one
 * process, both with idle threads asleep.
 *
 * npm run bench -- [--models resnet50,…] [--rates 1,0.75,0.5,0.25] [--threads 1,2] [--strategy streamed]
 *                  [--masker random|saliency] [--granularity 4,4,2,1] [--rounds 15] [--json]
 *
 * Answers are checked against a plain run before they are timed.
 */
import os from 'node:os';
import { parseArgs } from 'node:util';
import { builtNetwork, makePlan, Random, resolveMaskers, Tensor } from '@fovea/engine';
import { getBackend } from '@fovea/engine/backend';
import { checkAgainstPlain, parseGranularity, stageCount } from '@fovea/engine/internal';
import { openDense } from '@fovea/engine/onnx';
import { processorName } from '../measured.mjs';

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const numbers = (text) => text.split(',').map(Number);

/** S of every stage: the published 4-4-2-1 for four stages, by the size of the map elsewhere. */
function defaultGranularity(network) {
  return stageCount(network) === 4 ? [4, 4, 2, 1] : [4, 4, 4, 4, 2, 2, 1].slice(0, stageCount(network));
}

function randomImage({ channels, height, width }) {
  const random = new Random(7, 0);
  const image = Tensor.zeros([1, height, width, channels]);
  for (let i = 0; i < image.data.length; i++) image.data[i] = random.next() * 2 - 1;
  return image;
}

/** Medians and minima of one network, in ms, one row a rate. */
async function measure(name, { rates, threads, strategy, masker, granularity, rounds }) {
  const network = builtNetwork(name);
  const { height, width } = network.inputShape;
  const image = randomImage(network.inputShape);
  const S = granularity ?? defaultGranularity(network);
  const session = await getBackend('native').open(network, { batch: 1, height, width });
  const dense = await openDense(network, { batch: 1, height, width, threads });
  const settings = rates.map((rate) => {
    const maskers = resolveMaskers(network, { masker, rate, seed: 1 });
    const plan = makePlan(network, { strategy, granularity: S, maskers, threads, rate });
    return { rate, options: { plan, maskers, threads } };
  });
  for (const { options } of settings) {
    await checkAgainstPlain(network, image, { ...options, result: await session.run(image, options) });
  }
  const denseMs = [];
  const engineMs = settings.map(() => []);
  const fractions = [];
  const spent = [];
  for (let round = -3; round < rounds; round++) {
    for (const [i, { options }] of settings.entries()) {
      const { ms } = await dense.run(image);
      const { profile } = await session.run(image, options);
      if (round < 0) continue;
      denseMs.push(ms);
      engineMs[i].push(profile.totalMs);
      fractions[i] = profile.flops / (profile.flops + profile.flopsAvoided);
      spent[i] = profile.flops;
    }
  }
  session.dispose();
  await dense.dispose();
  const rows = settings.map(({ rate }, i) => {
    const speedup = median(denseMs) / median(engineMs[i]);
    return {
      rate,
      denseMs: { median: median(denseMs), min: Math.min(...denseMs) },
      engineMs: { median: median(engineMs[i]), min: Math.min(...engineMs[i]) },
      speedup,
      flopsFraction: fractions[i],
      realisedOverIdeal: speedup * fractions[i],
      gigaflopsPerSecond: spent[i] / median(engineMs[i]) / 1e6,
    };
  });
  return { model: name, threads, granularity: S, strategy, masker, rows };
}

/** Prints a table a network, or with `--json` one document. */
export async function bench(args) {
  const { values } = parseArgs({
    args,
    options: {
      models: { type: 'string', default: 'resnet50,resnet101,regnet_y_800mf,mobilenet_v2' },
      rates: { type: 'string', default: '1,0.75,0.5,0.25' },
      threads: { type: 'string', default: os.availableParallelism() > 1 ? '1,2' : '1' },
      strategy: { type: 'string', default: 'streamed' },
      masker: { type: 'string', default: 'random' },
      granularity: { type: 'string' },
      rounds: { type: 'string', default: '15' },
      json: { type: 'boolean', default: false },
    },
  });
  const tables = [];
  for (const model of values.models.split(',')) {
    for (const threads of numbers(values.threads)) {
      const table = await measure(model, {
        rates: numbers(values.rates),
        threads,
        strategy: values.strategy,
        masker: values.masker,
        granularity: values.granularity && parseGranularity(values.granularity),
        rounds: Number(values.rounds),
      });
      tables.push(table);
      if (!values.json) print(table);
    }
  }
  if (values.json) process.stdout.write(`${JSON.stringify({ machine: processorName(), tables }, null, 2)}\n`);
}

function print({ model, threads, granularity, strategy, masker, rows }) {
  console.log(
    `\n${model}, ${threads} thread${threads > 1 ? 's' : ''}, S ${granularity.join('-')}, ${strategy}, ${masker} masks`,
  );
  console.log('rate   dense ms (min)    engine ms (min)   speed-up   FLOPs left   realised/ideal   GFLOP/s');
  for (const row of rows) {
    const { rate, denseMs, engineMs, speedup, flopsFraction, realisedOverIdeal, gigaflopsPerSecond } = row;
    const pair = ({ median: m, min }) => `${m.toFixed(2)} (${min.toFixed(2)})`.padEnd(18);
    console.log(
      `${String(rate).padEnd(7)}${pair(denseMs)}${pair(engineMs)}${speedup.toFixed(2).padEnd(11)}` +
        `${flopsFraction.toFixed(3).padEnd(13)}${realisedOverIdeal.toFixed(3).padEnd(17)}${gigaflopsPerSecond.toFixed(1)}`,
    );
  }
}
