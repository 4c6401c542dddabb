import { readFile } from 'node:fs/promises';
import { type Device, FoveaError, type PredictOptions, type Profile, predict } from '@fovea/engine';
import { didYouMean } from '@fovea/engine/files';
import { checkExcitation, flopsLeft, parseGranularity } from '@fovea/engine/internal';
import { costModels, type ReferenceTable, recomputeTable } from '@fovea/engine/predict';
import type { Command } from 'commander';
import { formatPercent } from '../../presentation/index.js';
import { describeArgument } from '../options/argument.js';
import { DEVICE_HELP, openDevice, parseDeviceThreads, settingText } from '../options/device.js';
import { MODEL_HELP, openModel } from '../options/model.js';
import { asTable, parseInteger, parseRates, parseSize, printJson } from '../options/parse.js';
import { EXCITATION } from '../options/running.js';

interface PredictCommandOptions {
  readonly device?: string;
  readonly granularity?: string;
  readonly rate?: string;
  readonly strategy?: string;
  readonly model?: string;
  readonly batch?: string;
  readonly threads?: string;
  readonly inputSize?: string;
  readonly config?: string;
  readonly excitation?: string;
  readonly rows?: string;
  readonly json?: boolean;
}

/** `fovea predict`: how long a network will take on a device, before anything runs. */
export function register(command: Command): void {
  describeArgument(command, MODEL_HELP)
    .option('--device <name>', DEVICE_HELP)
    .option(
      '--granularity <S>',
      'S: one, per stage or per block, separated by commas; "whole" is the whole map',
    )
    .option('--rate <r>', 'activation rate, 0 to 1: one, or one per block (default: 0.5)')
    .option(
      '--strategy <name>',
      'dense, unfused, lasnet, streamed or auto (default: streamed; lasnet for the published model)',
    )
    .option('--model <name>', 'cost model: fovea or published (default: fovea)')
    .option('--batch <n>', "images at once (default: the device's nominal batch)")
    .option('--threads <n>', 'threads of a CPU (default: all its cores)')
    .option('--input-size <HxW>', "input height and width, or one side (default: the model's own)")
    .option(...EXCITATION)
    .option('--config <file>', "a checkpoint's JSON configuration (default: the .json beside it)")
    .option('--rows <file>', 'recompute every row and network total of this JSON table instead')
    .option('--json', 'print one JSON document and nothing else')
    .action(async (model: string | undefined, options: PredictCommandOptions) => {
      if (options.rows !== undefined) return printRows(options.rows, options.json === true);
      if (model === undefined) {
        throw new FoveaError('bad-argument', 'predict needs a model, or --rows FILE');
      }
      if (options.device === undefined) {
        throw new FoveaError('bad-argument', `--device is needed: ${DEVICE_HELP}`);
      }
      const settings = predictOptions(options, openDevice(options.device));
      const profile = predict(await openModel(model, options.config, settings), settings);
      if (options.json) printJson(profile);
      else process.stdout.write(`${asText(profile, settings.device)}\n`);
    });
}

function predictOptions(
  options: PredictCommandOptions,
  device: Device,
): PredictOptions & { readonly device: Device } {
  const { granularity, rate, strategy, model = 'fovea', batch, threads, inputSize, excitation } = options;
  if (!(costModels as readonly string[]).includes(model)) {
    throw new FoveaError(
      'unknown-name',
      `--model ${model}: ${costModels.join(' or ')} is accepted${didYouMean(model, costModels)}`,
    );
  }
  const rates = rate === undefined ? undefined : parseRates('--rate', rate);
  return {
    device,
    model: model as PredictOptions['model'] & string,
    strategy: strategy ?? (model === 'published' ? 'lasnet' : 'streamed'),
    ...(granularity === undefined ? {} : { granularity: parseGranularity(granularity) }),
    ...(rates === undefined ? {} : { rate: rates.length === 1 ? rates[0]! : rates }),
    ...(batch === undefined ? {} : { batch: parseInteger('--batch', batch) }),
    ...parseDeviceThreads(device, threads),
    ...(inputSize === undefined ? {} : parseSize('--input-size', inputSize)),
    ...(excitation === undefined ? {} : { excitation: checkExcitation(excitation, '--excitation') }),
  };
}

async function printRows(file: string, json: boolean): Promise<void> {
  const table = recomputeTable(await readTable(file));
  if (json) return printJson(table);
  const rows = (table.rows ?? []).map((row) => [
    String(row.id ?? row.op),
    row.hardware,
    ((row.latency_s ?? 0) * 1e6).toFixed(2),
  ]);
  process.stdout.write(`${asTable([['row', 'device', 'µs'], ...rows])}\n`);
}

async function readTable(file: string): Promise<ReferenceTable> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new FoveaError('io', `--rows ${file}: ${(error as Error).message}`);
  }
  try {
    return JSON.parse(text) as ReferenceTable;
  } catch (error) {
    throw new FoveaError('bad-file', `--rows ${file} is not JSON: ${(error as Error).message}`);
  }
}

const ms = (value: number) => value.toFixed(value < 10 ? 4 : 2);

/** A predicted profile as text: the total, then a table of blocks. */
function asText(profile: Profile, device: Device): string {
  const { network, source, strategy, batch, totalMs } = profile;
  const outside = profile.ops.filter((op) => op.block < 0);
  const rows = [
    ...profile.blocks.map((block) => [
      block.name,
      block.mode === 'dense' ? 'dense' : String(block.granularity),
      block.rate.toFixed(2),
      ms(block.totalMs),
      ms(block.computeMs),
      ms(block.dataMs),
      ms(block.overheadMs),
    ]),
    ...outside.map((op) => [
      op.name,
      '',
      '',
      ms(op.totalMs),
      ms(op.computeMs),
      ms(op.dataMs),
      ms(op.overheadMs),
    ]),
  ];
  const avoided = formatPercent(1 - flopsLeft(profile), 1);
  return [
    `${network} on ${profile.device}, ${strategy}, ${settingText(device, profile)} (predicted, ${source} model)`,
    `${ms(totalMs)} ms, ${ms(totalMs / batch)} ms an image; ${avoided} of the FLOPs avoided`,
    '',
    asTable([['', 'S', 'rate', 'ms', 'compute', 'data', 'overhead'], ...rows]),
    ...profile.notes.map((note) => `note: ${note}`),
  ].join('\n');
}
