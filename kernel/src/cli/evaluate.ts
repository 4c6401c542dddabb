import { type Evaluation, measureAccuracy } from '@fovea/engine/train';
import type { Command } from 'commander';
import { addData, type DataOptions, loadImages } from './data.js';
import { MODEL_HELP, openModel } from './model.js';
import { asTable, parseRate, printJson } from './parse.js';
import { addRunning, parseRunning, type RunningOptions } from './running.js';

interface EvaluateCliOptions extends DataOptions, RunningOptions {
  readonly config?: string;
  readonly masker?: 'learned' | 'saliency' | 'random';
  readonly rate?: string;
  readonly device?: string;
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
    .option('--json', 'print one JSON document and nothing else')
    .action(async (model: string, options: EvaluateCliOptions) => {
      const network = await openModel(model, options.config);
      const dataset = await loadImages(options, network, DRAWN);
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
