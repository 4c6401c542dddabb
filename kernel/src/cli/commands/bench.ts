import { blocksOf, FoveaError, type Network, type Tensor } from '@fovea/engine';
import { didYouMean } from '@fovea/engine/files';
import { defaultMasker, imageChannels, maskerNames } from '@fovea/engine/internal';
import { type Benchmark, benchmark } from '@fovea/engine/predict';
import { generateDataset, imagesOf } from '@fovea/engine/train';
import type { Command } from 'commander';
import { counted, formatPercent } from '../../presentation/index.js';
import { describeArgument } from '../options/argument.js';
import { UNSEEN_SEED } from '../options/data.js';
import { readInput } from '../options/input.js';
import { MODEL_HELP, openModel } from '../options/model.js';
import { asTable, parseInteger, parseRates, printJson } from '../options/parse.js';
import {
  addPreprocessing,
  type PreprocessingOptions,
  parsePreprocessing,
  refusePreprocessing,
} from '../options/preprocessing.js';
import { addRunning, parseRunning, type RunningOptions } from '../options/running.js';

interface BenchOptions extends RunningOptions, PreprocessingOptions {
  readonly config?: string;
  readonly masker?: string;
  readonly rates?: string;
  readonly input?: string;
  readonly runs: string;
  readonly batch?: string;
  readonly json?: boolean;
}

/** `fovea bench`: the engine against onnxruntime dense, alternately in one process. */
export function register(command: Command): void {
  describeArgument(command, MODEL_HELP)
    .option('--config <file>', "the checkpoint's JSON configuration (default: the .json beside it)")
    .option(
      '--masker <name>',
      'learned, saliency or random; its time is included (default: learned where the network has it, else saliency)',
    )
    .option('--rates <r,…>', 'activation rates of saliency and random masks (default: 1,0.75,0.5,0.25)')
    .option(
      '--input <file>',
      'an image, or .safetensors with `input`, to time on (default: drawn scenes, or noise where they do not fit)',
    );
  addRunning(addPreprocessing(command))
    .option('--runs <n>', 'timed runs of each of the two, per rate', '15')
    .option('--batch <n>', 'drawn images per run (default: 1)')
    .option('--json', 'print one JSON document and nothing else')
    .action(async (model: string, options: BenchOptions) => {
      const network = await openModel(model, options.config);
      const masker = parseMasker(options.masker) ?? defaultMasker(network);
      const input = await inputOf(network, options);
      const result = await benchmark(network, {
        ...parseRunning(options),
        masker,
        runs: parseInteger('--runs', options.runs),
        ...(input ? { input } : {}),
        ...(options.batch === undefined ? {} : { batch: parseInteger('--batch', options.batch) }),
        ...(options.rates === undefined ? {} : { rates: parseRates('--rates', options.rates) }),
      });
      if (options.json) printJson(result);
      else process.stdout.write(asText(network, result));
    });
}

function parseMasker(text: string | undefined): Benchmark['masker'] | undefined {
  const named = maskerNames.find((name) => name === text);
  if (named || text === undefined) return named;
  throw new FoveaError(
    'unknown-name',
    `--masker "${text}": ${maskerNames.join(', ')} are accepted${didYouMean(text, maskerNames)}`,
  );
}

/** The images to run: masks depend on their content, so generated scenes rather than noise; undefined for inputs that scenes do not fit. */
async function inputOf(network: Network, options: BenchOptions): Promise<Tensor | undefined> {
  if (options.input !== undefined) {
    if (options.batch !== undefined) {
      throw new FoveaError('bad-argument', `--batch ${options.batch}: --input holds the images to run`);
    }
    return readInput(options.input, network, options);
  }
  refusePreprocessing(options, ['resize', 'crop', 'mean', 'std'], 'only the images of --input are prepared');
  const { size = network.inputShape } = parsePreprocessing(options);
  const { channels } = network.inputShape;
  const count = options.batch === undefined ? 1 : parseInteger('--batch', options.batch);
  // What is no image (a map of features, say) runs on noise of its own size.
  if (channels !== 1 && channels !== 3 && options.size === undefined) return undefined;
  const taken = imageChannels(network);
  return imagesOf(
    await generateDataset({ ...network.preprocessing, seed: UNSEEN_SEED, count, size }),
    count,
    taken,
  );
}

/** Says how many passes of a GPU ran on kernels that nobody has timed. */
function ruledKernels(kernels: Benchmark['rows'][number]['kernels'] = []): string[] {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const ruled = sum(kernels.map(({ byRule = 0 }) => byRule));
  if (ruled === 0) return [];
  return [
    `kernels of ${ruled} of ${sum(kernels.map(({ passes }) => passes))} passes were chosen by a rule, not by timing them on this GPU`,
  ];
}

/** Says where rates change nothing. */
function nothingToSkip(network: Network): string[] {
  if (blocksOf(network).some(({ adaptive }) => adaptive)) return [];
  return [`${network.name} has no adaptive block: at every rate all of it is computed`];
}

function asText(network: Network, result: Benchmark): string {
  const { model, threads, batch, strategy, masker, source, denseProvider, checkedAgainst, rows } = result;
  const table = asTable([
    ['rate', 'dense ms', 'engine ms', 'speed-up', 'FLOPs left', 'realised/ideal'],
    ...rows.map((row) => [
      masker === 'learned' ? row.rate.toFixed(3) : String(row.rate),
      row.denseMs.median.toFixed(2),
      row.engineMs.median.toFixed(2),
      `${row.speedup.toFixed(2)}x`,
      formatPercent(row.flopsFraction, 1),
      row.realisedOverIdeal.toFixed(2),
    ]),
  ]);
  const error = Math.max(...rows.map(({ outputError }) => outputError));
  return [
    `${model}, batch ${batch}, ${counted(threads, 'thread')}: ${strategy} with ${masker} masks on ${source} against onnxruntime dense${denseProvider === 'cpu' ? '' : ` (${denseProvider})`}, medians`,
    `answers agree with ${checkedAgainst}: at most ${error.toExponential(0)} of the largest output apart`,
    ...ruledKernels(rows.at(-1)!.kernels),
    ...nothingToSkip(network),
    '',
    `${table}\n`,
  ].join('\n');
}
