import { getBackend } from '@fovea/engine/backend';
import { parseGranularity, plainGranularity } from '@fovea/engine/internal';
import { type ValidateOptions, type Validation, validatePredictions } from '@fovea/engine/predict';
import type { Command } from 'commander';
import { formatPercent } from '../../presentation/index.js';
import { describeArgument } from '../options/argument.js';
import { MODEL_HELP, openModel } from '../options/model.js';
import { asTable, parseInteger, parseNumber, parseRates, parseSize, printJson } from '../options/parse.js';
import { showProgress } from '../output/progress.js';

interface ValidateCommandOptions {
  readonly backend?: string;
  readonly device?: string;
  readonly strategies?: string;
  readonly granularities?: string;
  readonly rates?: string;
  readonly threads?: string;
  readonly runs?: string;
  readonly calibrate?: string;
  readonly inputSize?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** `fovea validate`: predicts and measures the same plans on this machine. */
export function register(command: Command): void {
  describeArgument(command, MODEL_HELP)
    .option('--backend <name>', 'what runs the plans: native or webgpu (default: native)')
    .option('--device <name>', 'device to predict with (default: this-machine, or this-gpu for webgpu)')
    .option('--strategies <names>', 'default: dense,unfused,lasnet,streamed')
    .option('--granularities <S,...>', 'default: 1,2,4,7,8,whole')
    .option('--rates <r,...>', 'default: 0.1,0.3,0.5,0.7,1')
    .option('--threads <n,...>', 'default: 1')
    .option('--runs <n>', 'timed runs of each plan, of which the median counts (default: 8)')
    .option(
      '--calibrate <seconds>',
      'calibrate so long for each number of threads, in turns with the measurement, and predict with that; stores nothing',
    )
    .option('--input-size <HxW>', "input height and width, or one side (default: the model's own)")
    .option('--config <file>', "a checkpoint's JSON configuration (default: the .json beside it)")
    .option('--json', 'print one JSON document and nothing else')
    .action(async (model: string, options: ValidateCommandOptions) => {
      const progress = showProgress('validating');
      const network = await openModel(model, options.config);
      const result = await validatePredictions(network, {
        ...validateOptions(options),
        signal: progress.signal,
        onProgress: progress.update,
      }).finally(progress.end);
      if (options.json) printJson(result);
      else process.stdout.write(`${asText(result)}\n`);
    });
}

function validateOptions(options: ValidateCommandOptions): ValidateOptions {
  const { backend, device, strategies, granularities, rates, threads, runs, calibrate, inputSize } = options;
  return {
    ...(backend === undefined ? {} : { backend: getBackend(backend) }),
    ...(device === undefined ? {} : { device }),
    ...(strategies === undefined ? {} : { strategies: strategies.split(',') }),
    ...(granularities === undefined ? {} : { granularities: parseGranularity(granularities) }),
    ...(rates === undefined ? {} : { rates: parseRates('--rates', rates) }),
    ...(threads === undefined
      ? {}
      : { threads: threads.split(',').map((count) => parseInteger('--threads', count)) }),
    ...(runs === undefined ? {} : { runs: parseInteger('--runs', runs) }),
    ...(calibrate === undefined ? {} : { calibrateSeconds: parseNumber('--calibrate', calibrate) }),
    ...(inputSize === undefined ? {} : parseSize('--input-size', inputSize)),
  };
}

const inNs = (ms: number) => `${Math.round(1e6 * ms)} ns`;

/** A line for each number of threads whose cores were farther apart, or nearer, than when the machine was calibrated. */
function coresMoved(handover: Validation['handover']): string[] {
  return Object.entries(handover).flatMap(([threads, { measuredMs, calibratedMs, moved }]) =>
    calibratedMs === undefined || !moved
      ? []
      : [
          `the cores of ${threads} threads are not where they were at the calibration: a value takes ${inNs(measuredMs)} from one ` +
            `to another, then ${inNs(calibratedMs)}; run fovea calibrate again`,
        ],
  );
}

function asText({ network, device, runs, software, slowdown, handover, rows, summary }: Validation): string {
  const lines = rows.map(
    ({ strategy, granularity, rate, threads, predictedMs, measuredMs, error, blocks }) => [
      strategy,
      strategy === 'dense' ? '' : String(plainGranularity(granularity)),
      rate.toFixed(2),
      String(threads),
      predictedMs.toFixed(2),
      measuredMs.toFixed(2),
      formatPercent(error, 1),
      blocks.length === 0
        ? ''
        : formatPercent(blocks.filter((block) => Math.abs(block.error) <= 0.1).length / blocks.length, 1),
    ],
  );
  return [
    `${network} on ${device}, ${runs === 1 ? 'one run' : `medians of ${runs} runs`}`,
    ...(software ? ['a software driver stood in for a GPU: times say nothing about one'] : []),
    '',
    asTable([
      ['strategy', 'S', 'rate', 'threads', 'predicted', 'measured', 'error', 'blocks within 10 %'],
      ...lines,
    ]),
    '',
    `${formatPercent(summary.blocksWithin10, 1)} of ${summary.blocks} blocks within 10 % (median error ${formatPercent(summary.medianBlockError, 1)})`,
    `${formatPercent(summary.plansWithin5, 1)} of ${summary.plans} network totals within 5 % (median error ${formatPercent(summary.medianPlanError, 1)})`,
    `times are corrected to the calibration's pace: arithmetic between passes now takes ${Object.entries(
      slowdown,
    )
      .map(
        ([threads, factor]) =>
          `${factor.toFixed(2)} times as long on ${threads} ${threads === '1' ? 'thread' : 'threads'}`,
      )
      .join(', ')}; by wall clock, without pace correction`,
    `  ${formatPercent(summary.unadjusted.blocksWithin10, 1)} of blocks are within 10 %, ${formatPercent(summary.unadjusted.plansWithin5, 1)} of totals within 5 %`,
    ...coresMoved(handover),
    `one half of the runs against the other: ${formatPercent(summary.repeated.blocksWithin10, 1)} of blocks within 10 %, ${formatPercent(summary.repeated.plansWithin5, 1)} of totals within 5 %`,
    `S and strategy chosen by prediction: at worst ${formatPercent(summary.worstChoiceLoss, 1)} slower than the best measured, median ${formatPercent(summary.medianChoiceLoss, 1)}`,
  ].join('\n');
}
