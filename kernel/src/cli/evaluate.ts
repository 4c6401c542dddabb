import { FoveaError, type Network } from '@fovea/engine';
import { classIndices } from '@fovea/engine/internal';
import {
  type Comparison,
  compareMaskers,
  type Dataset,
  type Evaluation,
  imagesOf,
  measureAccuracy,
} from '@fovea/engine/train';
import type { Command } from 'commander';
import { addData, type DataOptions, loadImages } from './data.js';
import { MODEL_HELP, openModel } from './model.js';
import { asTable, parseRate, printJson } from './parse.js';
import { progressLine } from './progress.js';
import { addRunning, parseRunning, type RunningOptions } from './running.js';

interface EvaluateCliOptions extends DataOptions, RunningOptions {
  readonly config?: string;
  readonly masker?: 'learned' | 'saliency' | 'random';
  readonly rate?: string;
  readonly device?: string;
  readonly compare?: string | true;
  readonly json?: boolean;
}

/** Images that are generated when nothing is said. */
const DRAWN = 200;

/** `fovea evaluate`: accuracy, agreement, rates and latency of a network on many images. */
export function register(program: Command): void {
  const command = program
    .command('evaluate')
    .description('Accuracy, agreement with dense, rates per block, and latency measured and predicted.')
    .argument('<model>', MODEL_HELP);
  addData(command, DRAWN)
    .option('--config <file>', "the checkpoint's JSON configuration (default: the .json beside it)")
    .option('--masker <name>', 'learned, saliency or random (default: learned where the network has it)')
    .option('--rate <r>', 'activation rate for saliency and random, 0 to 1 (default: 0.5)');
  addRunning(command)
    .option('--device <name>', 'predict the latency on this device; this-machine needs fovea calibrate')
    .option(
      '--compare [flops]',
      "learned, fitted, saliency and random masks and dense at a smaller input, all at these FLOPs (default: the learned masks')",
    )
    .option('--json', 'print one JSON document and nothing else')
    .action(async (model: string, options: EvaluateCliOptions) => {
      const network = await openModel(model, options.config);
      const dataset = await loadImages(options, network, DRAWN);
      if (options.compare !== undefined) {
        await compare(network, dataset, options);
        return;
      }
      const { masker, rate, device } = options;
      const evaluation = await measureAccuracy(network, dataset, {
        ...parseRunning(options),
        ...(masker === undefined ? {} : { masker }),
        ...(rate === undefined ? {} : { rate: parseRate('--rate', rate) }),
        ...(device === undefined ? {} : { device }),
      });
      if (options.json) printJson(evaluation);
      else process.stdout.write(`${asText(evaluation)}\n`);
    });
}

/** Images that are compared on for each that rates are set on. */
const MEASURED = 3;

/** `--compare`: every kind of masks at the same FLOPs. */
async function compare(network: Network, dataset: Dataset, options: EvaluateCliOptions): Promise<void> {
  const { strategy, excitation, masker, rate, device } = options;
  for (const [name, value] of Object.entries({ strategy, excitation, masker, rate, device })) {
    if (value === undefined) continue;
    throw new FoveaError(
      'bad-argument',
      `--${name} ${value}: --compare takes all masks, and compares classes only`,
    );
  }
  const every = Array.from({ length: dataset.count }, (_, i) => i);
  // What rates are set on is not judged on, where there are images enough for both.
  const parts = dataset.count > 2 * MEASURED ? MEASURED + 1 : 1;
  const measured = parts === 1 ? every : every.filter((i) => i % parts !== 0);
  const classes = classIndices(network, dataset);
  const { granularity, backend, threads } = parseRunning(options);
  const rows = await compareMaskers(network, imagesOf(dataset, measured), {
    calibration: imagesOf(
      dataset,
      every.filter((i) => i % parts === 0),
    ),
    ...(options.compare === true ? {} : { flops: parseRate('--compare', options.compare!) }),
    ...(classes ? { labels: measured.map((i) => classes[dataset.targets[i]!]!) } : {}),
    ...(granularity === undefined ? {} : { granularity }),
    ...(backend === undefined ? {} : { backend }),
    ...(threads === undefined ? {} : { threads }),
    onProgress: progressLine(
      (done: number, count: number, name: string) => `${name}, ${done + 1} of ${count}`,
    ),
  });
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  if (options.json) printJson({ model: network.name, images: measured.length, comparison: rows });
  else process.stdout.write(`${asComparison(network.name, measured.length, rows)}\n`);
}

function asComparison(model: string, images: number, rows: readonly Comparison[]): string {
  const interval = ({ mean, low, high }: Comparison['agreement']) =>
    `${(100 * mean).toFixed(1)} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`;
  const labelled = rows[0]?.accuracy !== undefined;
  return [
    `${model} on ${images} images, in % with 95 % bootstrap intervals`,
    '',
    asTable([
      ['masks', 'FLOPs', 'same class as dense', ...(labelled ? ['right class'] : [])],
      ...rows.map(({ name, flops, agreement, accuracy }) => [
        name,
        (100 * flops).toFixed(1),
        interval(agreement),
        ...(accuracy ? [interval(accuracy)] : []),
      ]),
    ]),
  ].join('\n');
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

function asText({
  model,
  images,
  accuracy,
  agreement,
  blocks,
  coverage,
  flops,
  latency,
}: Evaluation): string {
  const { measuredMs, predicted } = latency;
  const lines = [
    `${model} on ${images} images: ${percent(flops)} of the dense network's FLOPs`,
    ...(accuracy ? [`accuracy ${percent(accuracy.adaptive)}, dense ${percent(accuracy.dense)}`] : []),
    `agreement with dense: same class ${percent(agreement.top1)}, cosine of logits ${agreement.cosine.toFixed(4)}`,
    `measured: ${measuredMs.adaptive.toFixed(2)} ms, dense ${measuredMs.dense.toFixed(2)} ms ` +
      `(${latency.strategy} on ${latency.backend}, ${latency.threads} threads)`,
    ...(predicted
      ? [
          `predicted for ${predicted.device}: ${predicted.ms.adaptive.toFixed(2)} ms, dense ${predicted.ms.dense.toFixed(2)} ms`,
        ]
      : []),
    '',
    asTable([
      ['block', 'stage', 'S', 'rate', 'dilated'],
      ...blocks.map(({ name, stage, granularity, rate, dilatedRate }) => [
        name,
        String(stage + 1),
        granularity === Number.POSITIVE_INFINITY ? 'whole' : String(granularity),
        rate.toFixed(3),
        dilatedRate.toFixed(3),
      ]),
    ]),
  ];
  if (coverage.length > 0) {
    const rows = coverage.map(({ stage, onObject, offObject, ratio }) => [
      String(stage + 1),
      onObject.toFixed(3),
      offObject.toFixed(3),
      ratio.toFixed(1),
    ]);
    lines.push('', asTable([['stage', 'on object', 'off object', 'ratio'], ...rows]));
  }
  return lines.join('\n');
}
