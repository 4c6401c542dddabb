import { rm } from 'node:fs/promises';
import { FoveaError } from '@fovea/engine';
import { holdingCheckpoint, parseGranularity, plainGranularity } from '@fovea/engine/internal';
import {
  type AdaptProgress,
  type AdaptResult,
  adaptMaskers,
  readPhotos,
  saveNetwork,
} from '@fovea/engine/train';
import type { Command } from 'commander';
import { counted, formatPercent } from '../../presentation/index.js';
import { describeArgument } from '../options/argument.js';
import { MODEL_HELP, openModel } from '../options/model.js';
import { asTable, parseInteger, parseRate, printJson } from '../options/parse.js';
import { addNormalisation, type PreprocessingOptions, parsePreprocessing } from '../options/preprocessing.js';
import { checkResumableOutput } from '../output/output-file.js';
import { clearLine, duration, interruptible, progressLine } from '../output/progress.js';
import { nameSkipped } from '../output/skipped.js';

interface AdaptCliOptions extends Pick<PreprocessingOptions, 'size' | 'mean' | 'std'> {
  readonly images: string;
  readonly output: string;
  readonly flops?: string;
  readonly most?: string;
  readonly granularity?: string;
  readonly tune?: string;
  readonly steps?: string;
  readonly batch?: string;
  readonly rate?: string;
  readonly seed?: string;
  readonly threads?: string;
  readonly config?: string;
  readonly checkpoint?: string;
  readonly json?: boolean;
}

/** `fovea adapt`: maskers learned on unlabelled images, to keep the network's answers with fewer FLOPs. */
export function register(command: Command): void {
  describeArgument(command, MODEL_HELP)
    .requiredOption(
      '--images <folder>',
      'folder of images like those that the network will get, at any depth',
    )
    .option('--most <n>', 'how many of them to take, spread evenly (default: all)')
    .requiredOption(
      '--output <file>',
      'the network with its maskers (.safetensors), a MODEL for every command',
    )
    .option('--flops <t>', 'target fraction of the dense FLOPs (default: 0.6)')
    .option(
      '--granularity <S>',
      'S: one, per stage or per block, separated by commas (default: about 14 cells a side)',
    )
    .option(
      '--tune <what>',
      'maskers, or norms: the scale and shift of each channel as well (default: maskers)',
    )
    .option('--steps <n>', 'steps of the optimiser (default: 400)')
    .option('--batch <n>', 'images a step (default: 8)')
    .option('--rate <x>', 'learning rate at the start (default: 0.02)')
    .option('--seed <n>', 'seed of crops and noise (default: 1)')
    .option('--config <file>', "the checkpoint's JSON configuration (default: the .json beside it)");
  addNormalisation(command)
    .option(
      '--checkpoint <file>',
      "where the run's state is kept; a run continues from it if it exists (default: OUTPUT.state)",
    )
    .option('--threads <n>', 'compute threads (default: all cores)')
    .option('--json', 'print one JSON document at the end, progress on the error stream')
    .action(async (model: string, options: AdaptCliOptions) => {
      const { size, how } = parsePreprocessing(options);
      const { tune = 'maskers', output } = options;
      if (tune !== 'maskers' && tune !== 'norms') {
        throw new FoveaError('bad-argument', `--tune ${tune}: maskers or norms is accepted`);
      }
      const checkpoint = await checkResumableOutput(output, options.checkpoint, [model, options.config]);
      const integer = (name: 'steps' | 'batch' | 'seed' | 'threads', least = 1) => {
        const text = options[name];
        return text === undefined ? {} : { [name]: parseInteger(`--${name}`, text, least) };
      };
      const wanted = {
        ...(options.flops === undefined ? {} : { flops: parseRate('--flops', options.flops) }),
        ...(options.granularity === undefined ? {} : { granularity: parseGranularity(options.granularity) }),
        ...(options.rate === undefined ? {} : { rate: parseRate('--rate', options.rate) }),
        ...integer('steps'),
        ...integer('batch'),
        ...integer('seed', 0),
        ...integer('threads'),
      };
      const network = await openModel(model, options.config, size);
      const working = async (signal: AbortSignal) => {
        const photos = await readPhotos(options.images, {
          signal,
          ...(options.most === undefined ? {} : { most: parseInteger('--most', options.most) }),
          onProgress: progressLine((done, count) => `reading images ${done} of ${count}`),
        });
        nameSkipped(photos.skipped);
        const begin = performance.now();
        const result = await adaptMaskers(network, photos.images, {
          ...network.preprocessing,
          ...how,
          ...wanted,
          ...(size ? { size } : {}),
          tune,
          checkpoint,
          signal,
          onProgress: progressLine(describe),
        });
        clearLine();
        const seconds = (performance.now() - begin) / 1000;
        await saveNetwork(output, result.network);
        await rm(checkpoint, { force: true });
        const { flops, blocks, kept } = result;
        const images = photos.images.length;
        if (options.json)
          printJson({ output, seconds, images, skipped: photos.skipped, flops, kept, blocks });
        else process.stdout.write(asText(output, images, seconds, result));
      };
      await holdingCheckpoint(checkpoint, undefined, () => interruptible(working));
    });
}

function describe({ phase, step, steps, sameClass, distance, flops, leftMs }: AdaptProgress): string {
  if (phase === 'fit') return 'fitting maskers to start from';
  return (
    `step ${step}/${steps}: same class ${formatPercent(sameClass, 0)}, distance ${distance.toFixed(3)}, ` +
    `FLOPs ${formatPercent(flops, 0)}, ${duration(leftMs)} left`
  );
}

function asText(
  output: string,
  images: number,
  seconds: number,
  { flops, blocks, kept }: AdaptResult,
): string {
  const rows = blocks.map(({ name, granularity, rate }) => [
    name,
    String(plainGranularity(granularity)),
    rate.toFixed(3),
  ]);
  return [
    `${output}: maskers learned on ${counted(images, 'image')} in ${duration(1000 * seconds)}, ` +
      `${formatPercent(flops, 1)} of the dense network's FLOPs`,
    whatWasKept(kept),
    '',
    asTable([['block', 'S', 'rate'], ...rows]),
    '',
  ].join('\n');
}

function whatWasKept({ step, divergence, fitted, heldBack }: AdaptResult['kept']): string {
  const judged =
    heldBack > 0 ? `on ${counted(heldBack, 'image')} held back` : 'on other crops of the same images';
  const distances = `${divergence.toFixed(3)} from the dense network's answers, fitted maskers ${fitted.toFixed(3)}`;
  return step === 0
    ? `kept: the fitted maskers, since no state of learning was better (${fitted.toFixed(3)} ${judged})`
    : `kept: the state after step ${step} (${distances}, ${judged})`;
}
