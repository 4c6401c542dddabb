import { type Benchmark, benchmark, parseGranularity } from '@fovea/engine';
import type { Command } from 'commander';
import { MODEL_HELP, openModel } from './model.js';
import { asTable, parseInteger, parseRates, printJson } from './parse.js';

interface BenchOptions {
  readonly config?: string;
  readonly granularity?: string;
  readonly rates: string;
  readonly threads?: string;
  readonly strategy?: string;
  readonly backend?: string;
  readonly runs: string;
  readonly batch: string;
  readonly json?: boolean;
}

/** `fovea bench`: the engine against onnxruntime dense, alternately in one process. */
export function register(program: Command): void {
  program
    .command('bench')
    .description(
      'Time the engine at several activation rates against onnxruntime dense, alternately in one process.',
    )
    .argument('<model>', MODEL_HELP)
    .option('--config <file>', "the checkpoint's JSON configuration (default: the .json beside it)")
    .option(
      '--granularity <S>',
      'S: one, per stage or per block, separated by commas; "whole" is the whole map',
    )
    .option('--rates <r,…>', 'activation rates of random masks', '1,0.75,0.5,0.25')
    .option('--threads <n>', 'compute threads of both (default: all cores)')
    .option('--strategy <name>', 'dense, unfused, lasnet, streamed or auto (default: streamed)')
    .option('--backend <name>', 'native, onnx or reference (default: the fastest here)')
    .option('--runs <n>', 'counted runs of each, per rate', '15')
    .option('--batch <n>', 'images per run', '1')
    .option('--json', 'print one JSON document and nothing else')
    .action(async (model: string, options: BenchOptions) => {
      const network = await openModel(model, options.config);
      const result = await benchmark(network, {
        rates: parseRates('--rates', options.rates),
        runs: parseInteger('--runs', options.runs),
        batch: parseInteger('--batch', options.batch),
        ...(options.granularity === undefined ? {} : { granularity: parseGranularity(options.granularity) }),
        ...(options.threads === undefined ? {} : { threads: parseInteger('--threads', options.threads) }),
        ...(options.strategy === undefined ? {} : { strategy: options.strategy }),
        ...(options.backend === undefined ? {} : { backend: options.backend }),
      });
      if (options.json) printJson(result);
      else process.stdout.write(asText(result));
    });
}

function asText({ model, threads, batch, strategy, source, rows }: Benchmark): string {
  const table = asTable([
    ['rate', 'dense ms', 'engine ms', 'speed-up', 'FLOPs left', 'realised/ideal'],
    ...rows.map((row) => [
      String(row.rate),
      row.denseMs.median.toFixed(2),
      row.engineMs.median.toFixed(2),
      `${row.speedup.toFixed(2)}x`,
      `${(100 * row.flopsFraction).toFixed(1)} %`,
      row.realisedOverIdeal.toFixed(2),
    ]),
  ]);
  return `${model}, batch ${batch}, ${threads} threads: ${strategy} on ${source} against onnxruntime dense, medians\n\n${table}\n`;
}
