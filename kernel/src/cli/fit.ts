import { parseGranularity } from '@fovea/engine/internal';
import { fitMaskers, imagesOf, measureAgreement, saveNetwork } from '@fovea/engine/train';
import type { Command } from 'commander';
import { addData, type DataOptions, loadImages } from './data.js';
import { MODEL_HELP, openModel } from './model.js';
import { checkModelOutput } from './output-file.js';
import { asTable, parseInteger, parseRate, parseRates, printJson } from './parse.js';
import { BACKEND } from './running.js';

interface FitCliOptions extends DataOptions {
  readonly config?: string;
  readonly granularity?: string;
  readonly rate?: string;
  readonly flopsTarget?: string;
  readonly agreement?: string;
  readonly output?: string;
  readonly backend?: string;
  readonly threads?: string;
  readonly json?: boolean;
}

/** Images that are generated when nothing is said. */
const DRAWN = 8;

/** `fovea fit`: maskers for a network that was never trained for them, and how far they can be trusted. */
export function register(program: Command): void {
  const command = program
    .command('fit')
    .description('Fit a masker to every residual block from a few images; report agreement with dense.')
    .argument('<model>', MODEL_HELP);
  addData(command, DRAWN)
    .option('--config <file>', "the checkpoint's JSON configuration (default: the .json beside it)")
    .option('--granularity <S>', 'S: one, per stage or per block, separated by commas (default: 1)')
    .option('--rate <r>', 'fraction of cells to be active, 0 to 1 (default: 0.5)')
    .option('--flops-target <t>', 'fraction of the dense FLOPs to be left, in the place of --rate')
    .option(
      '--agreement <rates>',
      'rates to compare with dense, separated by commas (default: 0.25,0.5,0.75)',
    )
    .option(
      '--output <file>',
      'save the network with its maskers as this .safetensors file, a MODEL for every command',
    )
    .option(...BACKEND)
    .option('--threads <n>', 'compute threads (default: all cores)')
    .option('--json', 'print one JSON document and nothing else')
    .action(async (model: string, options: FitCliOptions) => {
      if (options.output !== undefined) await checkModelOutput(options.output, [model, options.config]);
      const rates = parseRates('--agreement', options.agreement ?? '0.25,0.5,0.75');
      const network = await openModel(model, options.config);
      const dataset = await loadImages(options, network, DRAWN);
      const images = imagesOf(dataset, dataset.count);
      const granularity = parseGranularity(options.granularity ?? '1');
      const common = {
        ...(options.backend === undefined ? {} : { backend: options.backend }),
        ...(options.threads === undefined ? {} : { threads: parseInteger('--threads', options.threads) }),
      };
      const result = await fitMaskers(network, images, {
        ...common,
        granularity,
        ...(options.rate === undefined ? {} : { rate: parseRate('--rate', options.rate) }),
        ...(options.flopsTarget === undefined
          ? {}
          : { flopsTarget: parseRate('--flops-target', options.flopsTarget) }),
      });
      const agreements = await measureAgreement(network, images, {
        ...common,
        rates,
        granularities: [granularity],
      });
      if (options.output !== undefined) {
        await saveNetwork(options.output, result.network);
      }
      const { blocks, flops } = result;
      if (options.json)
        printJson({ model: network.name, images: dataset.count, flops, blocks, agreement: agreements });
      else process.stdout.write(`${asText(network.name, dataset.count, flops, blocks, agreements)}\n`);
    });
}

type Blocks = Awaited<ReturnType<typeof fitMaskers>>['blocks'];
type Agreements = Awaited<ReturnType<typeof measureAgreement>>;

function asText(
  model: string,
  images: number,
  flops: number,
  blocks: Blocks,
  agreements: Agreements,
): string {
  return [
    `${model}: maskers fitted on ${images} images, ${(100 * flops).toFixed(1)} % of the dense network's FLOPs`,
    '',
    asTable([
      ['block', 'S', 'rate', 'explained'],
      ...blocks.map(({ name, granularity, rate, explained }) => [
        name,
        granularity === Number.POSITIVE_INFINITY ? 'whole' : String(granularity),
        rate.toFixed(3),
        explained.toFixed(3),
      ]),
    ]),
    '',
    asTable([
      ['rate', 'measured', 'FLOPs', 'same class', 'cosine'],
      ...agreements.map(({ rate, measuredRate, flops: share, top1, cosine }) => [
        rate.toFixed(2),
        measuredRate.toFixed(3),
        share.toFixed(3),
        top1.toFixed(3),
        cosine.toFixed(4),
      ]),
    ]),
  ].join('\n');
}
