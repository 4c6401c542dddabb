import { type Device, FoveaError } from '@fovea/engine';
import { checkExcitation, parseGranularity } from '@fovea/engine/internal';
import { type SearchOptions, type SearchResult, searchGranularity } from '@fovea/engine/predict';
import type { Command } from 'commander';
import { describeArgument } from '../options/argument.js';
import { DEVICE_HELP, openDevice, parseDeviceThreads, settingText } from '../options/device.js';
import { MODEL_HELP, openModel } from '../options/model.js';
import { asTable, parseInteger, parseNumber, parseRate, parseSize, printJson } from '../options/parse.js';
import { EXCITATION } from '../options/running.js';

interface SearchCommandOptions {
  readonly device: string;
  readonly rate?: string;
  readonly rates?: string;
  readonly scores?: string;
  readonly granularities?: string;
  readonly strategies?: string;
  readonly objective?: string;
  readonly tolerance?: string;
  readonly batch?: string;
  readonly threads?: string;
  readonly inputSize?: string;
  readonly excitation?: string;
  readonly config?: string;
  readonly pool: boolean;
  readonly json?: boolean;
}

/** `fovea search`: the best S and strategy for every block and stage of a network on a device. */
export function register(command: Command): void {
  describeArgument(command, MODEL_HELP)
    .requiredOption('--device <name>', DEVICE_HELP)
    .option('--rate <r>', 'activation rate assumed at every S, 0 to 1 (default: 0.5)')
    .option('--rates <S=r,...>', 'activation rate by S, e.g. 1=0.4,2=0.45,4=0.5; other S are not searched')
    .option('--scores <S=score,...>', 'accuracy or agreement by S: adds the Pareto front')
    .option('--granularities <S,...>', 'S to try; "whole" is the whole map (default: all that differ)')
    .option('--strategies <names>', 'strategies to try besides dense (default: unfused,lasnet,streamed)')
    .option(
      '--objective <name>',
      'latency, or finest: the smallest S within the tolerance (default: latency)',
    )
    .option(
      '--tolerance <x>',
      'with --objective finest: how much slower than the fastest S it may be (default: 0.02)',
    )
    .option('--batch <n>', "images at once (default: the device's nominal batch)")
    .option('--threads <n>', 'threads of a CPU (default: all its cores)')
    .option('--input-size <HxW>', "input height and width, or one side (default: the model's own)")
    .option(...EXCITATION)
    .option('--no-pool', 'masks do not depend on the input (fixed, random)')
    .option('--config <file>', "a checkpoint's JSON configuration (default: the .json beside it)")
    .option('--json', 'print one JSON document and nothing else')
    .action(async (model: string, options: SearchCommandOptions) => {
      const device = openDevice(options.device);
      const search = searchOptions(options, device);
      const result = searchGranularity(await openModel(model, options.config, search), device, search);
      if (options.json) printJson(result);
      else process.stdout.write(`${asText(result, device)}\n`);
    });
}

function searchOptions(options: SearchCommandOptions, device: Device): SearchOptions {
  const { rate, rates, scores, granularities, strategies, objective, tolerance, batch, threads, inputSize } =
    options;
  const { excitation } = options;
  if (rate !== undefined && rates !== undefined) {
    throw new FoveaError(
      'bad-argument',
      `--rate ${rate}: --rates says the rate of every S; give one of the two`,
    );
  }
  if (tolerance !== undefined && objective !== 'finest') {
    throw new FoveaError('bad-argument', `--tolerance ${tolerance}: only --objective finest has a tolerance`);
  }
  return {
    needsPool: options.pool,
    ...(excitation === undefined ? {} : { excitation: checkExcitation(excitation, '--excitation') }),
    ...(rate === undefined ? {} : { rate: parseRate('--rate', rate) }),
    ...(rates === undefined ? {} : { ratePerGranularity: parsePairs('--rates', rates) }),
    ...(scores === undefined ? {} : { scores: parsePairs('--scores', scores) }),
    ...(granularities === undefined ? {} : { granularities: parseGranularity(granularities) }),
    ...(strategies === undefined ? {} : { strategies: strategies.split(',') }),
    ...(objective === undefined ? {} : { objective: objective as 'latency' | 'finest' }),
    ...(tolerance === undefined ? {} : { tolerance: parseNumber('--tolerance', tolerance) }),
    ...(batch === undefined ? {} : { batch: parseInteger('--batch', batch) }),
    ...parseDeviceThreads(device, threads),
    ...(inputSize === undefined ? {} : parseSize('--input-size', inputSize)),
  };
}

/** Reads `1=0.4,2=0.45`. */
function parsePairs(option: string, text: string): Record<number, number> {
  const values = new Map<number, number>();
  for (const pair of text.split(',')) {
    const match = /^\s*(\d+)\s*=\s*(-?[\d.]+)\s*$/.exec(pair);
    if (!match || !Number.isFinite(Number(match[2]))) {
      throw new FoveaError('bad-argument', `${option} "${pair}": S=value is accepted, such as 4=0.5`);
    }
    const S = Number(match[1]);
    if (values.has(S)) throw new FoveaError('bad-argument', `${option} ${text}: S=${S} is given twice`);
    values.set(S, Number(match[2]));
  }
  return Object.fromEntries(values);
}

const ms = (value: number) => value.toPrecision(4);

function asText(result: SearchResult, device: Device): string {
  const { network, blocks, stages, totalMs, denseMs, pareto } = result;
  const stageRows = stages.map(({ stage, blocks: count, best }) => [
    String(stage + 1),
    String(count),
    best.strategy === 'dense' ? 'dense' : String(best.granularity),
    best.strategy,
    ms(best.totalMs),
  ]);
  const front = (pareto ?? []).map(({ granularity, totalMs: time, score }) => [
    granularity.join('-'),
    ms(time),
    score.toPrecision(4),
  ]);
  return [
    `${network} on ${result.device}, ${settingText(device, result)} (predicted): ` +
      `${ms(totalMs)} ms against ${ms(denseMs)} dense, ${(denseMs / totalMs).toFixed(2)}x`,
    '',
    asTable([['stage', 'blocks', 'S', 'strategy', 'ms'], ...stageRows]),
    '',
    ...blocks.map(({ advice }) => advice.sentence),
    ...(front.length > 0 ? ['', asTable([['S by stage', 'ms', 'score'], ...front])] : []),
  ].join('\n');
}
