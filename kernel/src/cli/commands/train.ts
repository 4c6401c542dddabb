import { rm } from 'node:fs/promises';
import { FoveaError } from '@fovea/engine';
import { defaultThreads, holdingCheckpoint } from '@fovea/engine/internal';
import {
  loadRecipeData,
  type Measurement,
  type Recipe,
  type RecipeData,
  readRecipe,
  saveModel,
  type TrainProgress,
  type TrainResult,
  train,
} from '@fovea/engine/train';
import type { Command } from 'commander';
import { formatPercent } from '../../presentation/index.js';
import { describeArgument } from '../options/argument.js';
import { asTable, parseInteger, printJson } from '../options/parse.js';
import { checkResumableOutput } from '../output/output-file.js';
import { clearLine, duration, interruptible, progressLine } from '../output/progress.js';
import { nameSkipped } from '../output/skipped.js';

interface TrainCliOptions {
  readonly output: string;
  readonly data?: string;
  readonly checkpoint?: string;
  readonly threads?: string;
  readonly json?: boolean;
}

/** `fovea train`: trains a network and its masks by a recipe. */
export function register(command: Command): void {
  describeArgument(command, 'JSON file: architecture, data, dense and adaptive phase')
    .requiredOption('--output <file>', 'where to write the network (.safetensors), a MODEL for every command')
    .option('--data <folder>', 'train on your images instead: one folder per class')
    .option(
      '--checkpoint <file>',
      "where the run's state is kept; a run continues from it if it exists (default: OUTPUT.state)",
    )
    .option('--threads <n>', 'compute threads (default: all cores)')
    .option('--json', 'print one JSON document at the end, progress on the error stream')
    .action(async (file: string, options: TrainCliOptions) => {
      const checkpoint = await checkResumableOutput(options.output, options.checkpoint, [file]);
      const wanted = await readRecipe(file);
      const threads =
        options.threads === undefined ? defaultThreads() : parseInteger('--threads', options.threads);
      const working = async (signal: AbortSignal) => {
        const from = options.data === undefined ? wanted : { ...wanted, data: folderAt(options.data) };
        const data = await loadRecipeData(from, {
          signal,
          onProgress: progressLine(
            (done, count) =>
              `${from.data.kind === 'folder' ? 'reading' : 'drawing'} images ${done} of ${count}`,
          ),
        });
        nameSkipped(data.skipped);
        const recipe = options.data === undefined ? from : withClassesOf(from, options.data, data);
        const begin = performance.now();
        const result = await train(recipe, {
          ...data,
          threads,
          checkpoint,
          signal,
          onProgress: progressLine(describe),
        });
        clearLine();
        const seconds = (performance.now() - begin) / 1000;
        const { dense, allActive, adaptive } = result;
        const { labels } = data.train;
        const notes = { recipe, measured: { dense, allActive, adaptive } };
        await saveModel(options.output, result.parameters, { name: recipe.name, labels, notes });
        await rm(checkpoint, { force: true });
        if (options.json)
          printJson({ output: options.output, seconds, skipped: data.skipped, dense, allActive, adaptive });
        else process.stdout.write(asText(options.output, seconds, result));
      };
      await holdingCheckpoint(checkpoint, undefined, () => interruptible(working));
    });
}

const folderAt = (path: string): Recipe['data'] => ({ kind: 'folder', path });

/** A recipe for the classes that a folder has. */
function withClassesOf(recipe: Recipe, folder: string, { train: { labels } }: RecipeData): Recipe {
  if (labels.length < 2) {
    throw new FoveaError(
      'bad-file',
      `${folder} holds one class, ${labels[0]}; at least two folders of images are needed`,
    );
  }
  return { ...recipe, architecture: { ...recipe.architecture, classes: labels.length } };
}

function describe({
  phase,
  epoch,
  epochs,
  step,
  steps,
  loss,
  accuracy,
  flops,
  leftMs,
}: TrainProgress): string {
  const rate = phase === 'adaptive' ? `, FLOPs ${formatPercent(flops, 0)}` : '';
  return (
    `${phase} epoch ${epoch}/${epochs} step ${step}/${steps}: loss ${loss.toFixed(3)}, ` +
    `accuracy ${formatPercent(accuracy, 1)}${rate}, ${duration(leftMs)} left`
  );
}

function asText(output: string, seconds: number, { dense, allActive, adaptive }: TrainResult): string {
  const lines = [`${output}: trained in ${duration(1000 * seconds)}`];
  const said = (name: string, measured: Measurement) =>
    lines.push(
      `${name}: accuracy ${formatPercent(measured.accuracy, 1)} at ${formatPercent(measured.flops, 1)} of the FLOPs`,
    );
  said('dense', dense);
  if (allActive) said('every cell active', allActive);
  if (adaptive) {
    said('adaptive', adaptive);
    const blocks = adaptive.blocks.map(({ name, rate, dilatedRate }) => [
      name,
      rate.toFixed(3),
      dilatedRate.toFixed(3),
    ]);
    lines.push('', asTable([['block', 'rate', 'dilated'], ...blocks]));
    const stages = adaptive.stages.map(({ stage, onObject, offObject, ratio }) => [
      String(stage + 1),
      onObject.toFixed(3),
      offObject.toFixed(3),
      ratio.toFixed(1),
    ]);
    if (stages.length > 0)
      lines.push('', asTable([['stage', 'on object', 'off object', 'ratio'], ...stages]));
  }
  return `${lines.join('\n')}\n`;
}
